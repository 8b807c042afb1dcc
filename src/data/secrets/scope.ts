import { type Actor, PLATFORM_TENANT, type TenantId } from "../../core/index.ts";

/** Whose secret, and who asks. Without a tenant: the global scope, which is the platform's. */
export interface Scope {
  readonly tenant?: TenantId;
  readonly actor: Actor;
}

export function scopeTenant(scope: Scope): TenantId {
  return scope.tenant ?? PLATFORM_TENANT;
}

/**
 * Values go to named services of the secret's own tenant and to the two capabilities made for it. Never to a person:
 * revealing a value to somebody is another act, with another permission.
 */
export function mayRead(actor: Actor, tenant: TenantId): boolean {
  switch (actor.type) {
    case "service":
      return actor.tenant === tenant;
    case "system":
      return actor.capability === "secrets.read" || actor.capability === "secrets.rotate";
    case "user":
    case "anonymous":
      return false;
  }
}

/** The wall only: whether a person of this tenant may change secrets is decided before, by the access layer. */
export function mayWrite(actor: Actor, tenant: TenantId): boolean {
  switch (actor.type) {
    case "service":
    case "user":
      return actor.tenant === tenant;
    case "system":
      return actor.capability === "secrets.write" || actor.capability === "secrets.rotate";
    case "anonymous":
      return false;
  }
}
