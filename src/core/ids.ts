import { RingwallError } from "./errors.ts";
import { fillRandom } from "./random.ts";

declare const brand: unique symbol;
type Branded<Text extends string> = string & { readonly [brand]: Text };

/** A tenant's id whose form was checked. That it exists and is not suspended is the tenant register's word. */
export type TenantId = Branded<"TenantId">;
/** A user's id: unique over all tenants, and worth nothing without its tenant. */
export type UserId = Branded<"UserId">;
/** The public name of a session. Goes into logs and audit; is not the bearer token and cannot be turned into it. */
export type SessionId = Branded<"SessionId">;

/** The founding document's form of a tenant id. */
export const TENANT_ID_PATTERN = /^[a-z0-9_-]{3,50}$/;
const UUID_PATTERN = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

/** The tenant that Ringwall's own operators belong to. It reaches no other tenant's rows. */
export const PLATFORM_TENANT = "platform" as TenantId;

/** True when the form is right. Says nothing about existence. */
export function isTenantId(text: unknown): text is TenantId {
  return typeof text === "string" && TENANT_ID_PATTERN.test(text);
}

/** @throws RingwallError `request.invalid` when the form is wrong. Says nothing about existence. */
export function tenantId(text: unknown): TenantId {
  if (!isTenantId(text)) throw new RingwallError("request.invalid", { detail: { field: "tenant" } });
  return text;
}

/** Lower-case UUIDs only, so that one id has one spelling in keys, caches and associated data. */
export function isUuid(text: unknown): text is string {
  return typeof text === "string" && UUID_PATTERN.test(text);
}

/**
 * A UUID version 7 (RFC 9562, section 5.7): 48 bits of `nowMs`, then random bits. Sorts by time to the millisecond.
 */
export function uuidv7(nowMs: number): string {
  fillRandom(draft);
  draft.writeUIntBE(nowMs, 0, 6);
  draft[6] = 0x70 | ((draft[6] ?? 0) & 0x0f);
  draft[8] = 0x80 | ((draft[8] ?? 0) & 0x3f);
  const hex = draft.toString("hex");
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}

// Every request draws several ids, each of which is done with this before the next one begins.
const draft = Buffer.alloc(16);
