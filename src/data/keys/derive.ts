import { createHmac, createSecretKey, hkdfSync, type KeyObject } from "node:crypto";
import { encodeTuple } from "../../core/index.ts";
import { KEY_BYTES } from "./envelope.ts";

const FIRST_BLOCK = Buffer.from([1]);

/** HMAC-SHA-256 (RFC 2104) over one or two pieces, 32 bytes. */
export function mac(key: KeyObject, first: Uint8Array, second?: Uint8Array): Buffer {
  const hmac = createHmac("sha256", key).update(first);
  if (second !== undefined) hmac.update(second);
  return hmac.digest();
}

/**
 * HKDF-Expand (RFC 5869, section 2.3) for one block of SHA-256: `HMAC(key, info | 0x01)`, 32 bytes.
 *
 * Extract is left out, as section 3.3 allows, because every key of the tree is already 32 uniformly random bytes.
 * Node has no expand of its own, and the full HKDF costs two and a half times as much (measured).
 */
export function expand(key: KeyObject, info: Uint8Array): Buffer {
  return mac(key, info, FIRST_BLOCK);
}

/** A key of its own for one use, named by a list of texts. The bytes are wiped; only the KeyObject stays. */
export function subkeyOf(key: KeyObject, ...label: readonly string[]): KeyObject {
  return keyFrom(expand(key, encodeTuple(...label)));
}

/** Takes over 32 bytes as a key: copies them out of JavaScript's reach and wipes the source. */
export function keyFrom(bytes: Buffer): KeyObject {
  const key = createSecretKey(bytes);
  bytes.fill(0);
  return key;
}

/** Full HKDF-SHA-256 with a salt: an encryption key, and a commitment that no other key gives. */
export function saltedPair(key: KeyObject, salt: Uint8Array, info: Uint8Array): { key: KeyObject; commitment: Buffer } {
  const both = Buffer.from(hkdfSync("sha256", key, salt, info, 2 * KEY_BYTES));
  const commitment = Buffer.from(both.subarray(KEY_BYTES));
  return { key: keyFrom(both.subarray(0, KEY_BYTES)), commitment };
}

const COMMITMENT = encodeTuple("rw/commit/v1");

/** 32 bytes that name `key` without telling it: nobody can find a second key with the same ones. */
export function commitmentOf(key: KeyObject): Buffer {
  return expand(key, COMMITMENT);
}
