import { hash } from "node:crypto";
import { assert, encodeTuple, RingwallError, randomBytes } from "../../core/index.ts";
import { keyFrom } from "./derive.ts";
import { BOX_OVERHEAD_BYTES, box, decryptFailed, KEY_BYTES, unbox } from "./envelope.ts";

/**
 * The key at the root of the tree. It never comes out: a KMS, an HSM or a file holds it, and it wraps and unwraps
 * tenant keys. `context` names what is wrapped; the same words have to be given to unwrap it.
 */
export interface MasterKey {
  /** Names the key, not its value. Recorded beside everything it wraps. */
  readonly id: string;
  wrap(plaintext: Buffer, context: readonly string[]): Promise<Buffer>;
  /** @throws RingwallError `keys.decrypt_failed` when the bytes or the context are not the ones wrapped; `keys.unavailable` when the holder of the key does not answer. */
  unwrap(wrapped: Buffer, context: readonly string[]): Promise<Buffer>;
  /** 32 fresh random bytes, in clear and wrapped. The caller wipes the clear ones. */
  generate(context: readonly string[]): Promise<{ plaintext: Buffer; wrapped: Buffer }>;
  /** Ends what the holder of the key keeps open here: sessions, threads, connections. */
  close?(): Promise<void>;
}

const HEADER = Buffer.from([1, 1]);
const TEXT_PREFIX = "ringwall-master-key-1:";
const TEXT_PATTERN = /^ringwall-master-key-1:([A-Za-z0-9_-]{43})\n?$/;

/**
 * The master key as 32 bytes in this process. For development, and for those who accept that whoever reads the
 * process or the file holds every key. Takes over `bytes`: they are wiped.
 */
export function softwareMaster(bytes: Buffer): MasterKey {
  assert(bytes.length === KEY_BYTES, "a master key has 32 bytes");
  const id = masterId(bytes);
  const key = keyFrom(bytes);
  const associated = (context: readonly string[]): Buffer => encodeTuple("rw/master/v1", id, ...context);
  const wrap = async (plaintext: Buffer, context: readonly string[]): Promise<Buffer> =>
    box(key, associated(context), plaintext, HEADER);
  return {
    id,
    wrap,
    async unwrap(wrapped, context) {
      if (wrapped.length < HEADER.length + BOX_OVERHEAD_BYTES) throw decryptFailed();
      if (wrapped[0] !== HEADER[0] || wrapped[1] !== HEADER[1]) throw decryptFailed();
      return unbox(key, associated(context), wrapped, HEADER.length);
    },
    async generate(context) {
      const plaintext = randomBytes(KEY_BYTES);
      return { plaintext, wrapped: await wrap(plaintext, context) };
    },
  };
}

/** 96 bits of a hash over a label and the key: enough to tell keys apart, useless to find one. */
function masterId(bytes: Buffer): string {
  const input = Buffer.concat([encodeTuple("rw/master-id/v1"), bytes]);
  const id = hash("sha256", input, "hex").slice(0, 24);
  input.fill(0);
  return `software:${id}`;
}

/** A fresh master key in the versioned text form of its file. */
export function newMasterText(): string {
  const bytes = randomBytes(KEY_BYTES);
  const text = `${TEXT_PREFIX}${bytes.toString("base64url")}\n`;
  bytes.fill(0);
  return text;
}

/**
 * Reads the text form strictly: one line, this version, 32 bytes, canonical base64url.
 * @throws RingwallError `keys.master_refused`; the text is never part of the message.
 */
export function parseMasterText(text: string): Buffer {
  const encoded = TEXT_PATTERN.exec(text)?.[1];
  const bytes = encoded === undefined ? undefined : Buffer.from(encoded, "base64url");
  // 43 characters carry two bits more than 32 bytes: only one of the four spellings is accepted.
  // Zeros are what a failed write leaves, and a key that everybody knows.
  const spoiled = bytes === undefined || bytes.toString("base64url") !== encoded || bytes.every((byte) => byte === 0);
  if (spoiled) {
    throw new RingwallError("keys.master_refused", {
      message:
        "the master key file is damaged or of a version this Ringwall does not know: restore it from your backup",
    });
  }
  // A copy outside the shared pool, so that wiping it wipes all there is.
  const own = Buffer.allocUnsafeSlow(KEY_BYTES);
  bytes.copy(own);
  bytes.fill(0);
  return own;
}
