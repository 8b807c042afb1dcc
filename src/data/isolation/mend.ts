import type { Catalog } from "./catalog/index.ts";
import { STATIC_CHECKS } from "./checks/index.ts";
import type { CheckInfo, Report } from "./finding.ts";
import { planIsolation } from "./generate/index.ts";
import { LIVE_CHECKS } from "./probes/index.ts";
import { migrationText, planFixes } from "./report/index.ts";
import type { IsolationSettings } from "./settings.ts";
import { UNTRIED } from "./untried.ts";

/** Every check that this version knows. */
export const ISOLATION_CHECKS: readonly CheckInfo[] = [
  ...STATIC_CHECKS.map(({ info }) => info),
  ...LIVE_CHECKS,
  UNTRIED,
];

/** What the generator does not touch: who may do what on the server, and what a connection begins with. */
const BESIDE_SCHEMA: ReadonlySet<string> = new Set(["roles", "server", "session"]);

/**
 * One migration that mends what was found: tables, keys, policies and rights as the generator writes them, so that no
 * two fixes of one table contradict each other, and before it what the findings about roles and the server ask for.
 */
export async function isolationFixes(catalog: Catalog, report: Report, settings: IsolationSettings): Promise<string> {
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
