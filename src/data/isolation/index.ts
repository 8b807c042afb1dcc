/**
 * Layer 4, isolation: reads a live PostgreSQL, says of each table whether one tenant can reach another's rows, tries it,
 * and writes what would mend it.
 *
 * Guards nothing by itself: it examines what guards. Changes nothing; what it plants to try an attack is rolled back.
 *
 * Limits: it knows what the catalog and the probes show, not what the application does with its rows. What it does not
 * understand it reports as unknown, never as walled.
 *
 * @module
 */
export { type Catalog, readCatalog, readCatalogWithin } from "./catalog/index.ts";
export { checkContext, runStaticChecks, STATIC_CHECKS, type StaticCheck } from "./checks/index.ts";
export type { Category, CheckInfo, Evidence, Finding, Level, ObjectName, Report, Verdict } from "./finding.ts";
export {
  type Decision,
  guessSettings,
  type IsolationPlan,
  planDiff,
  planIsolation,
  planMigration,
} from "./generate/index.ts";
export { ISOLATION_CHECKS, isolationFixes } from "./mend.ts";
export { RINGWALL_SETTINGS } from "./own.ts";
export {
  contextEntry,
  PROBE_LIMITS,
  type ProbeAccess,
  type ProbeLimits,
  type ProbeReport,
  runProbes,
} from "./probes/index.ts";
export { isGreen, prettyReport, sarifReport } from "./report/index.ts";
export { type SelfTestOptions, type SelfTestReport, selfTest, selfTestTable } from "./self-test/index.ts";
export { type SqlAccess, SqlRefusal, type SqlSession } from "./session.ts";
export { IsolationSettings } from "./settings.ts";
export { verdicts } from "./verdicts.ts";
export { type Judged, judge, verifyLive, verifyStatic } from "./verify.ts";
