import { type ErrorCode, RingwallError, type TenantId, type UserActor, type UserId } from "../../core/index.ts";
import { isAdministrator, type Permission, type Role, roleHolds } from "./roles.ts";

/**
 * Somebody who signed in, as the decision sees them. It is an actor too, so it can be handed to the database and to
 * the audit as it stands. Tenant and role come from the session's rows, never from the request.
 */
export interface Principal extends UserActor {
  readonly role: Role;
  /** 1: a password alone. 2: a second factor was given in this session. */
  readonly aal: 1 | 2;
  /** When the second factor was last given, in milliseconds; undefined at level 1. */
  readonly secondFactorMs: number | undefined;
}

/** What the kernel has to know about a thing. A field that is undefined is a refusal wherever it would have mattered. */
export interface Resource {
  readonly tenant: TenantId | undefined;
  readonly owner: UserId | undefined;
}

export type Rule =
  | "tenant.wall"
  | "permission.missing"
  | "permission.held"
  | "policy.tenant_read"
  | "policy.administrator"
  | "policy.own"
  | "policy.not_own";

/** The answer, the rule that gave it, and the code the caller sees when it is no. */
export interface Decision {
  readonly allowed: boolean;
  readonly rule: Rule;
  readonly code: ErrorCode | undefined;
}

const allow = (rule: Rule): Decision => Object.freeze({ allowed: true, rule, code: undefined });
const refuse = (rule: Rule, code: ErrorCode): Decision => Object.freeze({ allowed: false, rule, code });

// All the answers there are, made once: deciding allocates nothing.
// Another tenant's thing answers as a missing one does, so that ids cannot be probed across the wall.
const WALL = refuse("tenant.wall", "resource.not_found");
const MISSING = refuse("permission.missing", "access.denied");
const NOT_OWN = refuse("policy.not_own", "access.denied");
const HELD = allow("permission.held");
const TENANT_READ = allow("policy.tenant_read");
const ADMINISTRATOR = allow("policy.administrator");
const OWN = allow("policy.own");

/** How far a permission reaches over the things of one's own tenant. */
type Reach = "tenant" | "own";

// The founding document's policy: reading reaches the whole tenant, changing and deleting only what is one's own.
// The record is exhaustive by its type: a new permission does not compile until somebody says how far it reaches.
const REACH: Readonly<Record<Permission, Reach>> = {
  "user:read": "tenant",
  "user:write": "own",
  "user:delete": "own",
  "resource:read": "tenant",
  "resource:write": "own",
  "resource:delete": "own",
  "admin:access": "tenant",
  "admin:users": "tenant",
  "admin:billing": "tenant",
  "admin:settings": "tenant",
  "tenant:manage": "tenant",
};

/** What one person may reach with one permission, before any single thing is looked at. */
type Scope =
  | { readonly kind: "none" }
  | { readonly kind: "all"; readonly decision: Decision }
  | { readonly kind: "own" };

// The one rule. `decide` applies it to a thing, `listFilter` hands it to a query; neither knows it by itself.
function scope(principal: Principal, permission: Permission): Scope {
  if (!roleHolds(principal.role, permission)) return NO_SCOPE;
  if (REACH[permission] === "tenant") return TENANT_SCOPE;
  return isAdministrator(principal.role) ? ADMINISTRATOR_SCOPE : OWN_SCOPE;
}

const NO_SCOPE: Scope = { kind: "none" };
const OWN_SCOPE: Scope = { kind: "own" };
const TENANT_SCOPE: Scope = { kind: "all", decision: TENANT_READ };
const ADMINISTRATOR_SCOPE: Scope = { kind: "all", decision: ADMINISTRATOR };

/**
 * Decides, in this order: the tenant wall, the role's permission, then the policy that narrows it. Pure; reads no
 * clock, no database and no cache.
 *
 * @param resource - Left out only where an act has no thing yet (creating, listing). When given, its tenant must be
 * there and be the principal's: the platform's operators get no exception.
 * @throws AssertionFailed when role or permission do not exist.
 */
export function decide(principal: Principal, permission: Permission, resource?: Resource): Decision {
  if (resource !== undefined && (resource.tenant === undefined || resource.tenant !== principal.tenant)) return WALL;
  const reach = scope(principal, permission);
  if (reach.kind === "none") return MISSING;
  if (resource === undefined) return HELD;
  if (reach.kind === "all") return reach.decision;
  return resource.owner !== undefined && resource.owner === principal.user ? OWN : NOT_OWN;
}

/** @throws RingwallError `access.denied`, or `resource.not_found` when the thing is another tenant's. */
export function requirePermission(principal: Principal, permission: Permission, resource?: Resource): void {
  const decision = decide(principal, permission, resource);
  if (decision.allowed) return;
  throw new RingwallError(decision.code ?? "access.denied", { detail: { permission, rule: decision.rule } });
}

/** Which rows of the principal's own tenant a list may show. The tenant itself is row-level security's part. */
export type ListFilter =
  | { readonly kind: "all" }
  | { readonly kind: "own"; readonly owner: UserId }
  | { readonly kind: "none" };

/**
 * The same rule as `decide`, for a query: `all` adds nothing, `own` adds `owner_id = $n`, `none` must not run at all.
 * A test holds the two together.
 */
export function listFilter(principal: Principal, permission: Permission): ListFilter {
  const reach = scope(principal, permission);
  return reach.kind === "own" ? { kind: "own", owner: principal.user } : { kind: reach.kind };
}

/**
 * Asks for a second factor that was given lately, for acts where a stolen session must not be enough.
 * @throws RingwallError `access.step_up_required`
 */
export function requireSecondFactor(principal: Principal, nowMs: number, maxAgeMs: number): void {
  const givenMs = principal.secondFactorMs;
  if (principal.aal === 2 && givenMs !== undefined && nowMs - givenMs < maxAgeMs) return;
  throw new RingwallError("access.step_up_required", { detail: { maxAgeMs } });
}
