import { assert } from "../../core/index.ts";

/** Every permission there is: the founding document's eleven, as `noun:verb`. */
export const PERMISSIONS = [
  "user:read",
  "user:write",
  "user:delete",
  "resource:read",
  "resource:write",
  "resource:delete",
  "admin:access",
  "admin:users",
  "admin:billing",
  "admin:settings",
  "tenant:manage",
] as const;
/** One of `PERMISSIONS`. */
export type Permission = (typeof PERMISSIONS)[number];

/** The four roles with exactly the founding document's permissions. A person has one role in a tenant. */
export const ROLES = {
  viewer: ["user:read", "resource:read"],
  editor: ["user:read", "resource:read", "resource:write"],
  admin: [
    "user:read",
    "user:write",
    "resource:read",
    "resource:write",
    "resource:delete",
    "admin:access",
    "admin:users",
    "admin:settings",
  ],
  owner: PERMISSIONS,
} as const satisfies Record<string, readonly Permission[]>;
/** One of `ROLES`. */
export type Role = keyof typeof ROLES;

// Sets in a map with no prototype behind it: a role called "constructor" must not find anything.
const HELD: ReadonlyMap<string, ReadonlySet<string>> = new Map(
  Object.entries(ROLES).map(([role, permissions]) => [role, new Set<string>(permissions)]),
);
const KNOWN: ReadonlySet<string> = new Set(PERMISSIONS);

/** For roles that come from outside: a request body, a row. */
export function isRole(text: unknown): text is Role {
  return typeof text === "string" && HELD.has(text);
}

/** For permissions that come from outside: a policy file, a row. */
export function isPermission(text: unknown): text is Permission {
  return typeof text === "string" && KNOWN.has(text);
}

/** For tables of routes and policies: a name nobody knows stops the process while it loads, not the request. */
export function permission(text: string): Permission {
  assert(isPermission(text), "a permission named in code exists");
  return text;
}

/** @throws AssertionFailed for a role or permission that does not exist: an error while deciding is a refusal. */
export function roleHolds(role: Role, wanted: Permission): boolean {
  const held = HELD.get(role);
  assert(held !== undefined, "a role exists");
  assert(KNOWN.has(wanted), "a permission exists");
  return held.has(wanted);
}

/**
 * Whether somebody with `mine` may give, take or recover the role `theirs`: only when every permission of it is held.
 * Hence an administrator can never make an owner, nor touch one.
 */
export function roleCovers(mine: Role, theirs: Role): boolean {
  return ROLES[theirs].every((wanted) => roleHolds(mine, wanted));
}

/** Administrators and owners: sessions are shorter, and a second factor is required. */
export function isAdministrator(role: Role): boolean {
  return role === "admin" || role === "owner";
}
