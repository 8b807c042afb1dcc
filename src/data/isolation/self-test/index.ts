/**
 * Layer 4, isolation, what the probes are tried on: a scratch schema, and faults to plant in it.
 *
 * Guards nothing. Each fault has the like of it that is none, for which its check has to be silent.
 *
 * Limits: faults that rows, rights and paths show; what a pooler leaves behind is planted by the tests of sessions.
 *
 * @module
 */
export { type Names, ROLES, SETTING, statementsOf, TABLES } from "./base.ts";
export { type Fault, faultName } from "./fault.ts";
export { CONTEXT_FAULTS, KEY_FAULTS, PATH_FAULTS, RIGHT_FAULTS, ROW_FAULTS, STATIC_FAULTS } from "./faults/index.ts";
export { type SelfTestOptions, type SelfTestReport, type SelfTestRow, selfTest, selfTestTable } from "./run.ts";
