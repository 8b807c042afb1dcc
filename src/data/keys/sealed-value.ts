import { timingSafeEqual } from "node:crypto";
import { assert, encodeTuple, randomBytes } from "../../core/index.ts";
import { saltedPair } from "./derive.ts";
import { BOX_OVERHEAD_BYTES, box, decryptFailed, unbox } from "./envelope.ts";
import type { TenantKey } from "./tenant-key.ts";

/**
 * A sealed value that stands alone, without a row key: secrets, TOTP seeds, audit details.
 *
 *     0   version      1   always 1
 *     1   suite        1   1 = HKDF-SHA-256 with salt, AES-256-GCM, 32-byte commitment
 *     2   key version  4   big-endian
 *     6   salt        32
 *     38  commitment  32
 *     70  nonce       12 | ciphertext | tag 16
 *
 * Each value has a key of its own out of its salt, so no number of values wears a tenant key out.
 */
export const SEALED_VALUE_OVERHEAD_BYTES = 98;
export const SEALED_VALUE_BYTES_MAX = 1_048_576;
const SALT_BYTES = 32;
const SALT_START = 6;
const COMMITMENT_START = 38;
const HEADER_BYTES = 70;
const VERSION = 1;
const SUITE = 1;
const VALUE = "rw/value/v1";

/** @param context - Names the value's place, e.g. `["secret", name, version]`; the same words open it again. */
export function sealValueWith(key: TenantKey, context: readonly string[], plaintext: Uint8Array): Buffer {
  assert(plaintext.length <= SEALED_VALUE_BYTES_MAX, "a sealed value has at most 1 MiB");
  const associated = associatedOf(key, context);
  const header = Buffer.allocUnsafe(HEADER_BYTES);
  header[0] = VERSION;
  header[1] = SUITE;
  header.writeUInt32BE(key.version, 2);
  const salt = randomBytes(SALT_BYTES);
  header.set(salt, SALT_START);
  const pair = saltedPair(key.subkey(VALUE), salt, associated);
  header.set(pair.commitment, COMMITMENT_START);
  return box(pair.key, associated, plaintext, header);
}

/** @throws RingwallError `keys.decrypt_failed` when this is no sealed value of a version we know. */
export function sealedValueVersion(sealed: Buffer): number {
  if (sealed.length < HEADER_BYTES + BOX_OVERHEAD_BYTES) throw decryptFailed();
  if (sealed.length > SEALED_VALUE_BYTES_MAX + SEALED_VALUE_OVERHEAD_BYTES) throw decryptFailed();
  if (sealed[0] !== VERSION || sealed[1] !== SUITE) throw decryptFailed();
  return sealed.readUInt32BE(2);
}

/** @throws RingwallError `keys.decrypt_failed` */
export function openValueWith(key: TenantKey, context: readonly string[], sealed: Buffer): Buffer {
  if (sealedValueVersion(sealed) !== key.version) throw decryptFailed();
  const associated = associatedOf(key, context);
  const pair = saltedPair(key.subkey(VALUE), sealed.subarray(SALT_START, COMMITMENT_START), associated);
  if (!timingSafeEqual(pair.commitment, sealed.subarray(COMMITMENT_START, HEADER_BYTES))) throw decryptFailed();
  return unbox(pair.key, associated, sealed, HEADER_BYTES);
}

function associatedOf(key: TenantKey, context: readonly string[]): Buffer {
  assert(context.length > 0, "a sealed value is bound to a place");
  return encodeTuple("rw/value/v1", key.tenant, key.purpose, String(key.version), ...context);
}
