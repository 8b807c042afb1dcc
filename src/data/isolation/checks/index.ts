/**
 * The static checks: what is wrong with a database, by its catalog alone.
 *
 * Guards nothing; finds what does not guard. A check is pure: context in, findings out. A check that needs what the
 * login could not read says `unknown`.
 *
 * Limits: knows rights, settings and structure; whether an expression holds is for the checks of expressions and the
 * probes. A check that fails is reported as skipped, never as passed.
 *
 * @module
 */
import type { StaticCheck } from "./check.ts";
import { INDIRECT_CHECKS } from "./indirect/index.ts";
import { POLICY_CHECKS } from "./policies/index.ts";
import { ROLE_CHECKS } from "./roles/index.ts";
import { SERVER_CHECKS } from "./server/index.ts";
import { TABLE_CHECKS } from "./tables/index.ts";

export { type Analysis, analysisOf, type Passage } from "./analysis/index.ts";
export { type Found, type StaticCheck, staticCheck } from "./check.ts";
export { type CheckContext, checkContext, schemaFilter, type Table, tableName, tenantColumnOf } from "./context.ts";
export { type Right, rightsOf, superuserOf } from "./rights.ts";
export { runStaticChecks, type StaticResult } from "./run.ts";

/** Every static check, in the order of the report. */
export const STATIC_CHECKS: readonly StaticCheck[] = [
  ...ROLE_CHECKS,
  ...SERVER_CHECKS,
  ...TABLE_CHECKS,
  ...POLICY_CHECKS,
  ...INDIRECT_CHECKS,
];
