/**
 * What a report looks like: for a person, for code scanning, and as the migration that mends it.
 *
 * Reads a finished report and nothing else. Text of the database never reaches a terminal or a comment of SQL unescaped.
 *
 * @module
 */
export { type FixPlan, migrationText, planFixes } from "./fix.ts";
export { prettyReport } from "./pretty.ts";
export { sarifReport } from "./sarif.ts";
export { describeObject, isGreen, type Summary, summarise } from "./summary.ts";
export { visible } from "./visible.ts";
