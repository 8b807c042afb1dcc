import { createSecretKey } from "node:crypto";
import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { RingwallError } from "../../core/index.ts";
import { expand, mac, saltedPair } from "./derive.ts";
import { box, unbox } from "./envelope.ts";

// Project Wycheproof, through the functions that everything in Ringwall is sealed with. Origin: vectors/README.md.
const VECTORS = new URL("../../../test/conformance/vectors/", import.meta.url);
const Hex = z.string().transform((text) => Buffer.from(text, "hex"));
const Result = z.enum(["valid", "invalid", "acceptable"]);
const Known = { tcId: z.int(), comment: z.string(), result: Result };

const Gcm = z.object({
  ...Known,
  ivSize: z.int(),
  tagSize: z.int(),
  key: Hex,
  iv: Hex,
  aad: Hex,
  msg: Hex,
  ct: Hex,
  tag: Hex,
});
const Hkdf = z.object({ ...Known, ikm: Hex, salt: Hex, info: Hex, size: z.int(), okm: Hex });
const Hmac = z.object({ ...Known, tagSize: z.int(), key: Hex, msg: Hex, tag: Hex });

function vectors<Schema extends z.ZodType>(file: string, schema: Schema): z.output<Schema>[] {
  const lines = readFileSync(new URL(file, VECTORS), "utf8").trimEnd().split("\n");
  return lines.map((line) => schema.parse(JSON.parse(line)));
}

/** What `unbox` makes of bytes: the plaintext, or undefined for the one error that it may throw. */
function opened(...args: Parameters<typeof unbox>): Buffer | undefined {
  try {
    return unbox(...args);
  } catch (error) {
    if (error instanceof RingwallError && error.code === "keys.decrypt_failed") return undefined;
    throw error;
  }
}

describe("AES-256-GCM of Wycheproof, through box and unbox", () => {
  const all = vectors("aes-gcm.jsonl", Gcm);
  const ours = all.filter(({ ivSize, tagSize }) => ivSize === 96 && tagSize === 128);
  const foreign = all.filter(({ ivSize }) => ivSize !== 96);

  test("every vector with our nonce and tag opens, or is refused, as it says", () => {
    expect(ours.length).toBe(66);
    for (const { tcId, key, iv, aad, msg, ct, tag, result } of ours) {
      const plaintext = opened(createSecretKey(key), aad, Buffer.concat([iv, ct, tag]), 0);
      expect([tcId, plaintext?.toString("hex")]).toEqual([tcId, result === "valid" ? msg.toString("hex") : undefined]);
    }
    expect(ours.filter(({ result }) => result === "invalid").length).toBeGreaterThan(20);
  });

  test("what is boxed under a vector's key opens again, and is never the vector's own ciphertext", () => {
    const place = Buffer.from("place");
    for (const { key, msg, ct, tag } of ours) {
      const secret = createSecretKey(key);
      const header = Buffer.from([1, 2, 3]);
      const boxed = box(secret, place, msg, header);
      expect(opened(secret, place, boxed, header.length)).toEqual(msg);
      expect(boxed.subarray(-ct.length - tag.length)).not.toEqual(Buffer.concat([ct, tag]));
    }
  });

  test("a nonce of another length is never taken for one of ours", () => {
    expect(foreign.length).toBe(39);
    for (const { tcId, key, iv, aad, ct, tag } of foreign) {
      expect([tcId, opened(createSecretKey(key), aad, Buffer.concat([iv, ct, tag]), 0)]).toEqual([tcId, undefined]);
    }
  });
});

describe("HKDF-SHA-256 of Wycheproof", () => {
  const all = vectors("hkdf-sha256.jsonl", Hkdf).filter(({ result }) => result === "valid");
  const BYTES = 64;

  test("with a salt, gives the first 64 bytes of every vector", () => {
    expect(all.length).toBeGreaterThan(30);
    for (const { tcId, ikm, salt, info, size, okm } of all) {
      const pair = saltedPair(createSecretKey(ikm), salt, info);
      const bytes = Buffer.concat([pair.key.export(), pair.commitment]);
      const shared = Math.min(size, BYTES);
      expect([tcId, bytes.toString("hex", 0, shared)]).toEqual([tcId, okm.toString("hex", 0, shared)]);
    }
  });

  test("Extract is one HMAC, and our Expand gives the first block of every vector", () => {
    for (const { tcId, ikm, salt, info, size, okm } of all) {
      // RFC 5869, section 2.2: without a salt, a block of zeros.
      const pseudorandom = mac(createSecretKey(salt.length === 0 ? Buffer.alloc(32) : salt), ikm);
      const block = expand(createSecretKey(pseudorandom), info);
      const shared = Math.min(size, block.length);
      expect([tcId, block.toString("hex", 0, shared)]).toEqual([tcId, okm.toString("hex", 0, shared)]);
    }
  });
});

describe("HMAC-SHA-256 of Wycheproof", () => {
  const all = vectors("hmac-sha256.jsonl", Hmac);

  test("every tag, whole or cut to 128 bits, is ours where it is valid and not where it is not", () => {
    expect(all.length).toBe(162);
    for (const { tcId, tagSize, key, msg, tag, result } of all) {
      const ours = mac(createSecretKey(key), msg).subarray(0, tagSize / 8);
      expect([tcId, ours.equals(tag)]).toEqual([tcId, result === "valid"]);
      // In two pieces it is the same message.
      const middle = Math.floor(msg.length / 2);
      const split = mac(createSecretKey(key), msg.subarray(0, middle), msg.subarray(middle));
      expect(split.subarray(0, tagSize / 8)).toEqual(ours);
    }
  });
});
