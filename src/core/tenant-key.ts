import { hash } from "node:crypto";
import { assert } from "./errors.ts";
import { isTenantId, type TenantId } from "./ids.ts";

declare const brand: unique symbol;
/** A name that begins with its tenant. Only `tenantKey` makes one, so a cache that asks for it cannot be used without. */
export type TenantKey = string & { readonly [brand]: "TenantKey" };

/** As long as a counter's key may be; whatever is longer is given by its digest. */
export const TENANT_KEY_CHARS_MAX = 512;
/** PostgreSQL cuts a longer channel's name. */
const CHANNEL_CHARS_MAX = 63;
const PURPOSE_PATTERN = /^[a-z][a-z0-9-]{0,31}$/;

/**
 * The key of a cache entry, a counter, a lock or a queue: the tenant, what it is for, and what it is about.
 *
 * No two different lists give the same key: a tenant and a purpose hold no colon, and each part is told after its
 * length, whatever is in it. What would be longer than 512 characters is told by its SHA-256, in a form (`#`) that no
 * short key has.
 *
 * @param purpose - A constant of the code: 1 to 32 of a-z, 0-9 and `-`, a letter first.
 * @example tenantKey(tenant, "invoice", String(year), number)
 */
export function tenantKey(tenant: TenantId, purpose: string, ...parts: readonly string[]): TenantKey {
  return bounded(tenant, purpose, parts, TENANT_KEY_CHARS_MAX);
}

/**
 * The name of a channel (PostgreSQL's LISTEN, a Redis channel) that one tenant's messages go over: at most 63 characters.
 * It keeps tenants apart and is no secret: whoever may listen to a server's channels may guess it.
 */
export function tenantChannel(tenant: TenantId, purpose: string): TenantKey {
  const key = form(tenant, purpose, []);
  // Of two long names only the digest is left. It holds the tenant, and begins as no tenant does.
  return (key.length <= CHANNEL_CHARS_MAX ? key : `#${digest(key)}`) as TenantKey;
}

/**
 * The beginning of the name of every file or object of one tenant, ending in a slash: `northbank/invoices/`. Safe as a
 * path and as an object's key; what follows it is the caller's to check.
 */
export function tenantPrefix(tenant: TenantId, purpose: string): TenantKey {
  check(tenant, purpose);
  return `${tenant}/${purpose}/` as TenantKey;
}

/**
 * 64 bits of a key for PostgreSQL's advisory locks, as a signed number. Two keys of a billion share one with a chance of
 * one in forty, and then wait for each other and do nothing wrong.
 */
export function tenantLockNumber(key: TenantKey): bigint {
  return hash("sha256", Buffer.from(key, "utf16le"), "buffer").readBigInt64BE(0);
}

function bounded(tenant: TenantId, purpose: string, parts: readonly string[], charsMax: number): TenantKey {
  const key = form(tenant, purpose, parts);
  return (key.length <= charsMax ? key : `${tenant}:${purpose}#${digest(key)}`) as TenantKey;
}

function form(tenant: TenantId, purpose: string, parts: readonly string[]): string {
  check(tenant, purpose);
  let key = `${tenant}:${purpose}`;
  for (const part of parts) key += `:${part.length}.${part}`;
  return key;
}

/** Over UTF-16, since two texts with broken surrogates would be one in UTF-8. */
function digest(key: string): string {
  return hash("sha256", Buffer.from(key, "utf16le"), "base64url");
}

function check(tenant: TenantId, purpose: string): void {
  assert(isTenantId(tenant), "a key begins with a tenant");
  assert(PURPOSE_PATTERN.test(purpose), "a key's purpose is a constant of small letters, digits and hyphens");
}
