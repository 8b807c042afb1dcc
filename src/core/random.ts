import { randomFillSync } from "node:crypto";

// One system call for many small draws: measured, most of the price of a 12-byte nonce is the call.
const POOL_BYTES = 8_192;
const pool = Buffer.allocUnsafeSlow(POOL_BYTES);
let used = POOL_BYTES;

/**
 * Fresh bytes from the operating system's generator, drawn in blocks.
 * Each byte is handed out once and wiped from the block; the returned buffer is a copy of its own.
 */
export function randomBytes(length: number): Buffer {
  const bytes = Buffer.allocUnsafeSlow(length);
  fillRandom(bytes);
  return bytes;
}

/** Fills a buffer of the caller's own, which costs no allocation. */
export function fillRandom(bytes: Buffer): void {
  const { length } = bytes;
  if (length > POOL_BYTES / 4) {
    randomFillSync(bytes);
    return;
  }
  if (used + length > POOL_BYTES) {
    randomFillSync(pool);
    used = 0;
  }
  pool.copy(bytes, 0, used, used + length);
  pool.fill(0, used, used + length);
  used += length;
}

/** 256 bits as 43 characters of base64url: session tokens, link tokens, generated passwords. */
export function randomToken(bytes = 32): string {
  return randomBytes(bytes).toString("base64url");
}
