import { createCipheriv, createDecipheriv, type KeyObject } from "node:crypto";
import { assert, type ErrorDetail, RingwallError, randomBytes } from "../../core/index.ts";

/** NIST SP 800-38D: the nonce length GCM is defined for without hashing, and the only tag length we accept. */
export const NONCE_BYTES = 12;
export const TAG_BYTES = 16;
/** What sealing adds to the plaintext: nonce and tag. */
export const BOX_OVERHEAD_BYTES = NONCE_BYTES + TAG_BYTES;
export const KEY_BYTES = 32;

const ALGORITHM = "aes-256-gcm";
// Written out at each call: without it Node accepts tags of 4, 8 and 12 to 16 bytes, and a short tag can be forged.
const OPTIONS = { authTagLength: TAG_BYTES } as const;

/**
 * The one error of everything that opens something sealed. Wrong key, wrong place, changed bytes, unknown version:
 * the caller cannot tell them apart, since telling would be an oracle. `detail` names the place, never the reason.
 */
export function decryptFailed(detail: ErrorDetail = {}): RingwallError {
  return new RingwallError("keys.decrypt_failed", { detail });
}

/**
 * Encrypts under AES-256-GCM and a fresh random nonce: `header | nonce | ciphertext | tag` in one buffer.
 *
 * The header is written in clear and is not authenticated by itself: whatever of it matters has to be part of
 * `associated`. Random nonces bound the number of boxes of one key to 2^32 (NIST SP 800-38D, section 8.3).
 */
export function box(key: KeyObject, associated: Uint8Array, plaintext: Uint8Array, header: Uint8Array): Buffer {
  assert(associated.length > 0, "a box is bound to a place");
  const nonce = randomBytes(NONCE_BYTES);
  const cipher = createCipheriv(ALGORITHM, key, nonce, OPTIONS);
  cipher.setAAD(associated);
  const body = cipher.update(plaintext);
  cipher.final();
  assert(body.length === plaintext.length, "GCM keeps the length");
  const out = Buffer.allocUnsafe(header.length + BOX_OVERHEAD_BYTES + body.length);
  out.set(header, 0);
  out.set(nonce, header.length);
  out.set(body, header.length + NONCE_BYTES);
  out.set(cipher.getAuthTag(), out.length - TAG_BYTES);
  return out;
}

/**
 * Opens what `box` made. The first `headerLength` bytes are skipped; the caller has read and checked them.
 *
 * @throws RingwallError `keys.decrypt_failed` when anything is wrong. Nothing of the plaintext is kept then.
 */
export function unbox(key: KeyObject, associated: Uint8Array, bytes: Uint8Array, headerLength: number): Buffer {
  const end = bytes.length - TAG_BYTES;
  const start = headerLength + NONCE_BYTES;
  if (end < start) throw decryptFailed();
  const decipher = createDecipheriv(ALGORITHM, key, bytes.subarray(headerLength, start), OPTIONS);
  decipher.setAAD(associated);
  decipher.setAuthTag(bytes.subarray(end));
  const plaintext = decipher.update(bytes.subarray(start, end));
  try {
    decipher.final();
  } catch {
    plaintext.fill(0);
    throw decryptFailed();
  }
  return plaintext;
}
