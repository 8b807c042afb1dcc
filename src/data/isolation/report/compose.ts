import type { Clock } from "../../../core/index.ts";
import type { CheckContext, StaticResult, Table } from "../checks/index.ts";
import type { Finding, Report, Verdict } from "../finding.ts";
import type { IsolationSettings } from "../settings.ts";
import { inOrder } from "./summary.ts";

/** What the parts of a run found. */
export interface RunResult {
  readonly context: CheckContext;
  readonly fixed: StaticResult;
  /** Tables that are known to be walled, each with the reason. A table that is not in it is never said to be walled. */
  readonly walled: ReadonlyMap<string, string>;
  /** What live probes found, when they ran. */
  readonly live?: StaticResult;
}

/** Makes the report of a run: what the settings except is set apart, and each table gets its verdict. */
export function composeReport({ context, fixed, live, walled }: RunResult, clock: Clock): Report {
  const { catalog, settings } = context;
  const all = [...fixed.findings, ...(live?.findings ?? [])];
  const excepted = all.flatMap((finding) => {
    const reason = exceptionFor(finding, settings);
    return reason === undefined ? [] : [{ finding, reason }];
  });
  const left = new Set(excepted.map(({ finding }) => finding));
  const findings = inOrder(all.filter((finding) => !left.has(finding)));
  return {
    database: catalog.server.database,
    server: catalog.server.version,
    at: new Date(clock()).toISOString(),
    ran: { static: fixed.ran, live: live?.ran ?? 0 },
    skipped: [...fixed.skipped, ...(live?.skipped ?? [])],
    verdicts: context.tables
      .filter(({ relation }) => relation.kind === "table" || relation.kind === "partitioned table")
      .map((table) => verdict(table, findings, walled))
      .toSorted((a, b) => (a.table < b.table ? -1 : 1)),
    findings,
    excepted,
  };
}

/** Reached with rows is ATTACKED. WALLED has to be known, and nothing found may say otherwise; the rest is UNKNOWN. */
function verdict(
  { global, name: table }: Table,
  findings: readonly Finding[],
  walled: ReadonlyMap<string, string>,
): Verdict {
  const own = findings.filter(({ tables }) => tables.includes(table));
  const reached = own.filter(({ evidence }) => evidence !== undefined);
  if (reached.length > 0) return { table, state: "ATTACKED", reasons: [] };
  if (global !== undefined) return { table, state: "GLOBAL", reasons: [global] };
  const open = own.filter(({ level, unknown }) => level === "error" || unknown === true);
  if (open.length > 0) return { table, state: "UNKNOWN", reasons: [`${open.length} findings leave a way open`] };
  const reason = walled.get(table);
  if (reason !== undefined) return { table, state: "WALLED", reasons: [reason] };
  return { table, state: "UNKNOWN", reasons: ["nothing shows that its policies hold"] };
}

function exceptionFor({ check, object, tables }: Finding, { exceptions }: IsolationSettings): string | undefined {
  const place = object.schema === undefined ? object.name : `${object.schema}.${object.name}`;
  const names = new Set([
    ...tables,
    place,
    ...(object.table === undefined ? [] : [`${object.schema}.${object.table}`]),
  ]);
  return exceptions.find(
    (exception) => exception.check === check && (exception.object === "*" || names.has(exception.object)),
  )?.reason;
}
