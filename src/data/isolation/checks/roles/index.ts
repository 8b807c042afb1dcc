/**
 * Checks of roles: what the logins that serve requests are, can become, and begin with.
 *
 * Guards nothing. Follows memberships through any chain, SET ROLE and ADMIN OPTION included. Does not know passwords.
 *
 * @module
 */
import type { StaticCheck } from "../check.ts";
import { ATTRIBUTE_CHECKS } from "./attributes.ts";
import { MEMBERSHIP_CHECKS } from "./memberships.ts";
import { SESSION_CHECKS } from "./session-settings.ts";

export const ROLE_CHECKS: readonly StaticCheck[] = [...ATTRIBUTE_CHECKS, ...MEMBERSHIP_CHECKS, ...SESSION_CHECKS];
