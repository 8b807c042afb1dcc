/**
 * Checks of policies: what they let through, by what they say and not by how they are written.
 *
 * @module
 */
import type { StaticCheck } from "../check.ts";
import { CONTEXT_FUNCTION_CHECKS } from "./context-functions.ts";
import { EXPRESSION_CHECKS } from "./expressions.ts";
import { PASSAGE_CHECKS } from "./passages.ts";

export { isStored, judgedTables } from "./passages.ts";

/** Every check of policies. */
export const POLICY_CHECKS: readonly StaticCheck[] = [
  ...PASSAGE_CHECKS,
  ...EXPRESSION_CHECKS,
  ...CONTEXT_FUNCTION_CHECKS,
];
