/**
 * Access: may this person do this, to this thing?
 *
 * Guards the tenant wall before anything else, then the permission of the person's role, then the policy that narrows
 * it: reading reaches the tenant, changing and deleting only one's own things unless one is admin or owner. A policy
 * never widens a permission. Lists are filtered by the same rule (`listFilter`).
 *
 * Does not know how a principal was established (identity's part), does not look anything up, and does not log:
 * the caller records the decision with its rule. Row-level security holds the wall again behind it.
 *
 * Fails closed: a missing tenant or owner is a refusal, a role or permission that does not exist is an assertion,
 * another tenant's thing answers `resource.not_found` exactly as a missing one.
 *
 * @module
 */
export {
  type Decision,
  decide,
  type ListFilter,
  listFilter,
  type Principal,
  type Resource,
  requirePermission,
  requireSecondFactor,
} from "./decide.ts";
export {
  isAdministrator,
  isPermission,
  isRole,
  PERMISSIONS,
  type Permission,
  permission,
  ROLES,
  type Role,
  roleCovers,
  roleHolds,
} from "./roles.ts";
