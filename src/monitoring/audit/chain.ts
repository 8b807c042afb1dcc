import { hash } from "node:crypto";
import type { TenantId } from "../../core/index.ts";

// One byte in front keeps the three kinds of hash input apart, as RFC 6962 (section 2.1) does for leaf and node: without
// it, a leaf that looks like a link could stand for one.
const LEAF = Buffer.of(0x00);
const LINK = Buffer.of(0x01);
const EMPTY = Buffer.of(0x02);

export const HASH_BYTES = 32;

/** h(0) of a tenant's chain. Holds the tenant, so that no stretch of one tenant's chain fits into another's. */
export function emptyChain(tenant: TenantId): Buffer {
  return hash("sha256", Buffer.concat([EMPTY, Buffer.from(tenant)]), "buffer");
}

/** h(n) = SHA-256(0x01 || h(n-1) || SHA-256(0x00 || leaf)). `leaf` is hashed as the UTF-8 bytes that are stored. */
export function chainOn(previous: Buffer, leaf: string): Buffer {
  const leafHash = hash("sha256", Buffer.concat([LEAF, Buffer.from(leaf)]), "buffer");
  return hash("sha256", Buffer.concat([LINK, previous, leafHash], 1 + 2 * HASH_BYTES), "buffer");
}
