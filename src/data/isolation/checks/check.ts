import type { CheckInfo, Finding } from "../finding.ts";
import type { CheckContext } from "./context.ts";

/** Reads what was read of the catalog and says what is wrong. Pure: no statement is sent. */
export interface StaticCheck {
  readonly info: CheckInfo & { readonly kind: "static" };
  readonly run: (context: CheckContext) => readonly Finding[];
}

/** What a finding needs beside what its check says of itself. `level` may be lower where it is less bad. */
export type Found = Omit<Finding, "check" | "level"> & { readonly level?: Finding["level"] };

/** A check from what is known of it and what it looks for; its findings get its name and level. */
export function staticCheck(
  info: Omit<CheckInfo, "kind">,
  find: (context: CheckContext) => readonly Found[],
): StaticCheck {
  return {
    info: { ...info, kind: "static" },
    run: (context) => find(context).map((found) => ({ check: info.id, level: info.level, ...found })),
  };
}

/** Makes checks of one category: id, level, [title, why, remediation], and what they look for. */
export function checksOf(category: CheckInfo["category"]) {
  return (
    id: string,
    level: CheckInfo["level"],
    [title, why, remediation]: readonly [string, string, string],
    find: (context: CheckContext) => readonly Found[],
  ): StaticCheck => staticCheck({ id, level, title, why, remediation, category }, find);
}
