import type { Clock } from "../../core/index.ts";
import { type Catalog, readCatalog } from "./catalog/index.ts";
import { checkContext, runStaticChecks, STATIC_CHECKS } from "./checks/index.ts";
import type { CheckInfo, Report } from "./finding.ts";
import { planIsolation, wallsWritten } from "./generate/index.ts";
import { composeReport, migrationText, planFixes } from "./report/index.ts";
import type { SqlSession } from "./session.ts";
import type { IsolationSettings } from "./settings.ts";

/** Every check that this version knows. */
export const ISOLATION_CHECKS: readonly CheckInfo[] = STATIC_CHECKS.map(({ info }) => info);

/** What a run looks at, and with which checks. */
export interface VerifyOptions {
  readonly clock: Clock;
  /** Ids of the checks to run; every one when undefined. */
  readonly only?: ReadonlySet<string>;
}

/** A report, and the catalog it was made from. */
export interface Verified {
  readonly report: Report;
  readonly catalog: Catalog;
}

/**
 * Reads the database that `session` is connected to, runs the checks, and says of each table what is known. Changes
 * nothing.
 *
 * @throws RingwallError `config.invalid` when the settings name what is not there; SqlRefusal when the catalog cannot be
 * read.
 */
export async function verifyIsolation(
  session: SqlSession,
  settings: IsolationSettings,
  { clock, only }: VerifyOptions,
): Promise<Verified> {
  const catalog = await readCatalog(session);
  const context = checkContext(catalog, settings);
  const checks = STATIC_CHECKS.filter(({ info }) => only?.has(info.id) !== false);
  const fixed = runStaticChecks(context, checks);
  return { report: composeReport({ context, fixed, walled: wallsWritten(context) }, clock), catalog };
}

/** What the generator does not touch: who may do what on the server, and what a connection begins with. */
const BESIDE_SCHEMA: ReadonlySet<string> = new Set(["roles", "server", "session"]);

/**
 * One migration that mends what was found: tables, keys, policies and rights as the generator writes them, so that no
 * two fixes of one table contradict each other, and before it what the findings about roles and the server ask for.
 */
export async function isolationFixes({ catalog, report }: Verified, settings: IsolationSettings): Promise<string> {
  const plan = await planIsolation(catalog, settings);
  const categories = new Map(ISOLATION_CHECKS.map(({ category, id }) => [id, category]));
  const beside = report.findings.filter(({ check }) => BESIDE_SCHEMA.has(categories.get(check) ?? ""));
  const { statements } = planFixes({ ...report, findings: beside }, ISOLATION_CHECKS);
  return migrationText(
    `What mends the findings of ringwall tenancy verify in ${report.database}, ${report.at}`,
    [...new Set([...statements, ...plan.steps.map(({ sql }) => `${sql};`)])],
    plan.decisions.map(({ message }) => message),
  );
}
