import { type Catalog, readCatalog } from "./catalog/index.ts";
import { analysisOf, checkContext, runStaticChecks, STATIC_CHECKS } from "./checks/index.ts";
import { loadParser } from "./expressions/index.ts";
import type { Finding, ObjectName, Report, Verdict } from "./finding.ts";
import { type ProbeAccess, type ProbeLimits, runProbes } from "./probes/index.ts";
import type { SqlAccess } from "./session.ts";
import type { IsolationSettings } from "./settings.ts";
import { untried } from "./untried.ts";
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

/** What a run is told: the settings, and when it is, in ISO 8601. */
interface Asked {
  readonly settings: IsolationSettings;
  readonly at: string;
}

/**
 * Reads a database and says of each table whether the app roles can reach another tenant's rows, by its catalog alone.
 * Changes nothing.
 *
 * @param at - When this is, in ISO 8601.
 * @throws RingwallError `config.invalid`; SqlRefusal when the catalog cannot be read.
 */
export async function verifyStatic(access: SqlAccess, settings: IsolationSettings, at: string): Promise<Report> {
  return await reportOf(await readAll(access), { settings, at });
}

/**
 * As `verifyStatic`, and then tries it: two tenants are made up, rows of both are planted in transactions that are rolled
 * back, and one goes for the other's. A table that takes no row,
 * or shows a tenant none of its own, is unknown.
 *
 * @throws RingwallError `config.invalid`, `database.unavailable`; SqlRefusal when the catalog cannot be read.
 */
export async function verifyLive(
  access: { readonly catalog: SqlAccess; readonly probes: ProbeAccess },
  asked: Asked & { readonly limits: ProbeLimits },
): Promise<Report> {
  const catalog = await readAll(access.catalog);
  const probed = await runProbes(access.probes, asked.settings, asked.limits);
  const report = await reportOf(catalog, asked, [...probed.findings, ...untried(probed.tables)]);
  const ran = { static: report.ran.static, live: probed.ran.length };
  return { ...report, ran, skipped: [...report.skipped, ...probed.skipped] };
}

async function readAll(access: SqlAccess): Promise<Catalog> {
  const session = await access.connect();
  try {
    return await readCatalog(session);
  } finally {
    await session.close();
  }
}

async function reportOf(catalog: Catalog, { settings, at }: Asked, live: readonly Finding[] = []): Promise<Report> {
  const { ran, skipped, ...judged } = await judge(catalog, settings, live);
  const { database, version } = catalog.server;
  return { database, server: version, at, ran: { static: ran, live: 0 }, skipped, ...judged };
}
