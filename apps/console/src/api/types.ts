import type { paths } from "./schema.d.ts";

/** The body of a route's success. */
type Answer<Path extends keyof paths> = paths[Path] extends {
  get: { responses: { 200: { content: { "application/json": infer Body } } } };
}
  ? Body
  : never;
type Item<Path extends keyof paths> = Answer<Path> extends { items: (infer One)[] } ? One : never;

export type Session = Answer<"/v1/session">;
export type Overview = Answer<"/v1/overview">;
export type Layer = Overview["layers"][number];
export type Tenant = Item<"/v1/tenants">;
export type Invitation = Item<"/v1/invitations">;
export type User = Item<"/v1/users">;
export type OwnSession = Item<"/v1/sessions">;
export type Secret = Item<"/v1/secrets">;
export type Key = Item<"/v1/keys">;
export type MasterKey = Answer<"/v1/keys">["master"];
export type KeyJob = Item<"/v1/key-jobs">;
export type Erasure = Item<"/v1/erasures">;
export type Gateway = Answer<"/v1/gateway-routes">;
export type GatewayRoute = Gateway["items"][number];
export type Finding = Item<"/v1/settings-check">;
export type AuditEvent = Item<"/v1/audit-events">;
export type Chain = Answer<"/v1/audit-chain">;
export type AuditAction = NonNullable<NonNullable<paths["/v1/audit-events"]["get"]["parameters"]["query"]>["action"]>;
