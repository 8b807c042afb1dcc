/**
 * Layer 4, isolation, live probes: two tenants that exist in rolled-back transactions only, and every way that is known
 * from one to the other.
 *
 * Guards nothing by itself. Finds what the catalog does not show: what really comes back.
 *
 * Limits: rows are planted as far as values can be found that the table takes; where none are, the table is reported as
 * unplanted. Statements, locks and the whole run have time limits. Leaves nothing behind, also when it is killed.
 *
 * @module
 */
export { type ContextEntry, contextEntry, type ProbeAccess, settingEntry, signedEntry } from "./context.ts";
export type { ProbedTable, ProbeReport } from "./report.ts";
export { LIVE_CHECKS, PROBE_LIMITS, type ProbeLimits, probeOpenTransaction, runProbes } from "./run.ts";
