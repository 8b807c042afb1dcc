import type { CheckInfo, Finding } from "./finding.ts";
import type { ProbedTable } from "./probes/index.ts";

/** Says of a table that the probes prove nothing there. */
export const UNTRIED: CheckInfo = {
  id: "probe-untried",
  title: "A table could not be tried",
  category: "tables",
  kind: "live",
  level: "notice",
  why: "Where no row of two tenants can be planted, not seeing another's proves nothing.",
  remediation:
    "Look at the reason: a value that the table's rules ask for, a trigger that refuses, a lock that the application holds. " +
    "Try the table by a test of your own, and accept this finding with that reason.",
};

/** One finding for each table that took no row: neither answer is safe there. */
export function untried(tables: readonly ProbedTable[]): readonly Finding[] {
  return tables.flatMap(({ reason, state, table }): readonly Finding[] => {
    if (state !== "unplanted") return [];
    const dot = table.indexOf(".");
    return [
      {
        check: UNTRIED.id,
        level: UNTRIED.level,
        object: { kind: "table", schema: table.slice(0, dot), name: table.slice(dot + 1) },
        tables: [table],
        message: `${table}: ${reason}`,
        unknown: true,
      },
    ];
  });
}
