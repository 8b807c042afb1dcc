import type { FuncCall } from "libpg-query";
import type { Term } from "./cases/index.ts";
import { words } from "./parse.ts";
import { type Scope, symbol } from "./scope.ts";

/** Functions of PostgreSQL that may give another value each time, or change something. */
export const CHANGING =
  /^(random\w*|clock_timestamp|timeofday|nextval|setval|currval|lastval|gen_random_uuid|uuidv\d|pg_\w+|lo_\w+|\w+_to_xml\w*|set_config|dblink\w*)$/;

/** A call, told by its name alone. */
export function glance(called: FuncCall, scope: Scope): Term {
  const { kind, name } = known(called, scope);
  if (kind === "context") return { kind: "context" };
  if (kind === "setting") return setting(called, scope);
  if (kind === "foreign" || name === "set_config") {
    scope.course.calledUnknown = name;
    return unique(symbol(name, `${name}()`, { doubt: `what ${name}() gives` }), scope);
  }
  return CHANGING.test(name) ? unique(symbol(name, `${name}()`), scope) : symbol(name, `${name}()`);
}

/** Another value than that of the same call elsewhere. */
export function unique(value: Term, scope: Scope): Term {
  scope.course.next += 1;
  return value.kind === "symbol" ? { ...value, key: `${value.key} ${scope.course.next}` } : value;
}

/** Whose function is called. */
export interface Known {
  /** `own`: PostgreSQL's. */
  readonly kind: "context" | "setting" | "own" | "foreign";
  readonly name: string;
}

/** What a call is, by its name. */
export function known(called: FuncCall, scope: Scope): Known {
  const parts = words(called.funcname);
  const name = parts.at(-1) ?? "";
  const schema = parts.length > 1 ? parts.at(-2) : undefined;
  const { context } = scope.surroundings;
  const count = called.args?.length ?? 0;
  if (schema !== undefined && schema !== "pg_catalog") {
    const trusted = context.kind === "ringwall" && schema === "ringwall" && name === "tenant" && count === 0;
    return { kind: trusted ? "context" : "foreign", name: `${schema}.${name}` };
  }
  // In the body of a function a name is looked up when it runs: somebody else's may be the one that is found.
  if (!scope.qualified && schema === undefined && scope.surroundings.functions(undefined, name, count).length > 0)
    return { kind: "foreign", name };
  if (name !== "current_setting") return { kind: "own", name };
  const isContext = context.kind === "setting" && settingName(called)?.toLowerCase() === context.name.toLowerCase();
  return { kind: isContext ? "context" : "setting", name };
}

/** What a setting holds that is not the context. */
export function setting(called: FuncCall, scope: Scope): Term {
  const name = settingName(called) ?? "of a name that is computed";
  return unique(symbol(`setting ${name}`, `the setting ${name}, which the client may set`), scope);
}

/** The constant that names the setting. */
export function settingName(called: FuncCall): string | undefined {
  const [first] = called.args ?? [];
  const inner = first !== undefined && "TypeCast" in first ? first.TypeCast.arg : first;
  return inner !== undefined && "A_Const" in inner ? inner.A_Const.sval?.sval : undefined;
}
