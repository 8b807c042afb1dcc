import type { SessionId, TenantId, UserId } from "./ids.ts";

/** Somebody who signed in. */
export interface UserActor {
  readonly type: "user";
  readonly tenant: TenantId;
  readonly user: UserId;
  readonly session: SessionId;
}

/** A named function of the product or of the host application, acting for one tenant. */
export interface ServiceActor {
  readonly type: "service";
  readonly tenant: TenantId;
  readonly name: string;
}

/**
 * A named, audited capability that may act in a tenant which is not its own: creating a tenant, sequencing audit.
 * There is no general system actor; each use has a capability of its own.
 */
export interface SystemActor {
  readonly type: "system";
  readonly capability: SystemCapability;
}

/** Nobody yet: signing in, accepting an invitation. Acts only where the narrow look-ups lead. */
export interface AnonymousActor {
  readonly type: "anonymous";
  readonly tenant: TenantId;
}

/** Who acts. Every transaction and every audit record names exactly one. */
export type Actor = UserActor | ServiceActor | SystemActor | AnonymousActor;

/** Every system capability there is. A new one is a reviewed change. */
export type SystemCapability =
  | "tenants.create"
  | "tenants.read"
  | "tenants.settings"
  | "tenants.export"
  | "tenants.delete"
  | "identity.bootstrap"
  | "identity.sign_in"
  | "keys.manage"
  | "fields.adopt"
  | "keys.erase"
  | "fields.open"
  | "secrets.read"
  | "secrets.write"
  | "secrets.rotate"
  | "sessions.manage"
  | "users.invite"
  | "audit.read"
  | "audit.sequence"
  | "audit.verify"
  | "development.seed"
  | "attack.setup";

/** The tenant an actor belongs to; a system capability belongs to none. */
export function actorTenant(actor: Actor): TenantId | undefined {
  return actor.type === "system" ? undefined : actor.tenant;
}

/** The actor's name as audit and log show it. Holds ids only, no personal data. */
export function actorName(actor: Actor): string {
  switch (actor.type) {
    case "user":
      return `user:${actor.user}`;
    case "service":
      return `service:${actor.name}`;
    case "system":
      return `system:${actor.capability}`;
    case "anonymous":
      return "anonymous";
  }
}
