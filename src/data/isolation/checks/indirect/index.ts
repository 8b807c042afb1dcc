/**
 * Checks of indirect ways to rows: views, functions, triggers, rules, and what changes the meaning of an expression.
 *
 * @module
 */
import type { StaticCheck } from "../check.ts";
import { MEANING_CHECKS } from "./meanings.ts";
import { ROUTINE_CHECKS } from "./routines.ts";
import { VIEW_CHECKS } from "./views.ts";

/** Every check of indirect ways. */
export const INDIRECT_CHECKS: readonly StaticCheck[] = [...VIEW_CHECKS, ...ROUTINE_CHECKS, ...MEANING_CHECKS];
