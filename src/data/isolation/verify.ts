import { type Catalog, readCatalog } from "./catalog/index.ts";
import { analysisOf, checkContext, runStaticChecks, STATIC_CHECKS } from "./checks/index.ts";
import { loadParser } from "./expressions/index.ts";
import type { Finding, ObjectName, Report, Verdict } from "./finding.ts";
import type { SqlAccess } from "./session.ts";
import type { IsolationSettings } from "./settings.ts";
import { type Accepted, verdicts } from "./verdicts.ts";

/** What a catalog and findings come to. */
export interface Judged {
  readonly verdicts: readonly Verdict[];
  readonly findings: readonly Finding[];
  readonly excepted: readonly Accepted[];
  readonly ran: number;
  readonly skipped: Report["skipped"];
}

/**
 * Runs the static checks over a catalog and gives each table its verdict.
 *
 * @param live - Findings of probes that ran on the same database; they count like those of the static checks.
 * @throws RingwallError `config.invalid` when the settings name what is not there.
 */
export async function judge(
  catalog: Catalog,
  settings: IsolationSettings,
  live: readonly Finding[] = [],
): Promise<Judged> {
  await loadParser();
  const context = checkContext(catalog, settings);
  const result = runStaticChecks(context, STATIC_CHECKS);
  const findings: Finding[] = [];
  const excepted: Accepted[] = [];
  for (const finding of [...result.findings, ...live]) {
    const exception = settings.exceptions.find(
      ({ check, object }) => check === finding.check && matches(object, finding),
    );
    if (exception === undefined) findings.push(finding);
    else excepted.push({ finding, reason: exception.reason });
  }
  const analysis = analysisOf(context);
  return {
    verdicts: verdicts(context, findings, { analysis, accepted: excepted }),
    findings,
    excepted,
    ran: result.ran,
    skipped: result.skipped,
  };
}

/** Whether an exception's object is the finding's: `*`, `schema.name` of the object or its table, or a table's policy or column. */
function matches(wanted: string, { object, tables }: Finding): boolean {
  return wanted === "*" || namesOf(object).includes(wanted) || (tables.length === 1 && tables[0] === wanted);
}

function namesOf({ schema, name, table, column }: ObjectName): readonly string[] {
  const place = schema === undefined ? "" : `${schema}.`;
  const own = table === undefined ? `${place}${name}` : `${place}${table}.${name}`;
  return [
    own,
    ...(column === undefined ? [] : [`${own}.${column}`]),
    ...(table === undefined ? [] : [`${place}${table}`]),
  ];
}

/**
 * Reads a database and says of each table whether the app roles can reach another tenant's rows, by its catalog alone.
 * Changes nothing. Live probes are run by whoever wants them, and given to `judge`.
 *
 * @param at - When this is, in ISO 8601.
 * @throws RingwallError `config.invalid`; SqlRefusal when the catalog cannot be read.
 */
export async function verifyStatic(access: SqlAccess, settings: IsolationSettings, at: string): Promise<Report> {
  const session = await access.connect();
  try {
    const catalog = await readCatalog(session);
    const { ran, skipped, ...judged } = await judge(catalog, settings);
    const { database, version } = catalog.server;
    return { database, server: version, at, ran: { static: ran, live: 0 }, skipped, ...judged };
  } finally {
    await session.close();
  }
}
