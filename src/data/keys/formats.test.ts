import { createSecretKey } from "node:crypto";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { randomBytes, tenantId } from "../../core/index.ts";
import { testKeys } from "../../testing/keys.ts";
import { damage } from "../../testing/sealing/damage.ts";
import { expand, saltedPair } from "./derive.ts";
import { box, unbox } from "./envelope.ts";
import { mintRowKey, newMasterText, openRowKey, parseMasterText, ROW_KEY_BYTES, softwareMaster } from "./index.ts";

const hex = (text: string): Buffer => Buffer.from(text.replaceAll(/\s/gu, ""), "hex");
const ALPHA = tenantId("alpha-bank");
const REFUSED = { code: "keys.decrypt_failed", message: "The value could not be opened." };

describe("known answers", () => {
  // McGrew and Viega, "The Galois/Counter Mode of Operation", test case 16: 256-bit key, associated data.
  const KEY = hex("feffe9928665731c6d6a8f9467308308 feffe9928665731c6d6a8f9467308308");
  const NONCE = hex("cafebabefacedbaddecaf888");
  const ASSOCIATED = hex("feedfacedeadbeeffeedfacedeadbeefabaddad2");
  const PLAIN = hex(
    "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72 1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39",
  );
  const BODY = hex(
    "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa 8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662",
  );
  const TAG = hex("76fc6ece0f4e1768cddf8853bb2d551b");

  test("AES-256-GCM opens the published vector", () => {
    expect(unbox(createSecretKey(KEY), ASSOCIATED, Buffer.concat([NONCE, BODY, TAG]), 0)).toEqual(PLAIN);
  });

  test("AES-256-GCM refuses the published vector with a shorter tag", () => {
    const key = createSecretKey(KEY);
    for (const length of [4, 8, 12, 13, 14, 15]) {
      const cut = Buffer.concat([NONCE, BODY, TAG.subarray(0, length)]);
      expect(() => unbox(key, ASSOCIATED, cut, 0)).toThrow(expect.objectContaining(REFUSED));
    }
  });

  test.each([
    // RFC 5869, appendix A, cases 1 to 3: PRK, info, and the first 32 bytes of OKM, which are T(1).
    [
      "077709362c2e32df0ddc3f0dc47bba6390b6c73bb50f9c3122ec844ad7c2b3e5",
      "f0f1f2f3f4f5f6f7f8f9",
      "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf",
    ],
    [
      "19ef24a32c717b167f33a91d6f648bdf96596776afdb6377ac434c1c293ccb04",
      "",
      "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d",
    ],
  ])("HKDF-Expand gives the RFC's first block", (prk, info, okm) => {
    expect(expand(createSecretKey(hex(prk)), hex(info)).toString("hex")).toBe(okm);
  });

  test("HKDF with a salt gives the RFC's bytes", () => {
    // RFC 5869, A.1 with the salt and keying material of the case; the pair is the first 64 bytes of OKM, of which
    // the RFC prints 42.
    const ikm = createSecretKey(Buffer.alloc(22, 0x0b));
    const pair = saltedPair(ikm, hex("000102030405060708090a0b0c"), hex("f0f1f2f3f4f5f6f7f8f9"));
    const okm = Buffer.concat([pair.key.export(), pair.commitment]).toString("hex");
    expect(okm.slice(0, 84)).toBe(
      "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865",
    );
  });
});

describe("a box", () => {
  test("never uses a nonce twice in a hundred thousand, and opens to what went in", () => {
    const key = createSecretKey(randomBytes(32));
    const place = Buffer.from("place");
    const nonces = new Set<string>();
    for (let count = 0; count < 100_000; count += 1) {
      nonces.add(box(key, place, Buffer.alloc(0), Buffer.alloc(0)).toString("latin1", 0, 12));
    }
    expect(nonces.size).toBe(100_000);
  });
});

describe("a row key record", () => {
  test("has 98 bytes and opens in its own place", async () => {
    const { keys } = await testKeys();
    const kek = await keys.current(ALPHA, "data");
    const place = { table: "bank.customer", row: "0198c1a0-0000-7000-8000-000000000001" };
    const { rowKey, record } = mintRowKey(kek, place);
    expect(record).toHaveLength(ROW_KEY_BYTES);
    const opened = openRowKey(kek, place, record);
    const bind = () => Buffer.from("place");
    expect(opened.column("c", bind).key.equals(rowKey.column("c", bind).key)).toBe(true);
    expect(opened.column("c", bind).key.equals(rowKey.column("d", bind).key)).toBe(false);
  });

  test("damaged in any way, or moved, is refused in the same words", async () => {
    const { keys } = await testKeys();
    const kek = await keys.current(ALPHA, "data");
    const other = await keys.current(tenantId("beta-bank"), "data");
    const place = { table: "customer", row: "r1" };
    const { record } = mintRowKey(kek, place);
    fc.assert(
      fc.property(damage(record), (bytes) => {
        expect(() => openRowKey(kek, place, bytes)).toThrow(expect.objectContaining(REFUSED));
      }),
    );
    expect(() => openRowKey(other, place, record)).toThrow(expect.objectContaining(REFUSED));
    expect(() => openRowKey(kek, { table: "customer", row: "r2" }, record)).toThrow(expect.objectContaining(REFUSED));
    expect(() => openRowKey(kek, { table: "customerr", row: "1" }, record)).toThrow(expect.objectContaining(REFUSED));
  });
});

describe("a sealed value", () => {
  test("opens to what went in, for its own tenant, purpose and context only", async () => {
    const { keys } = await testKeys();
    await fc.assert(
      fc.asyncProperty(
        fc.uint8Array({ maxLength: 500 }),
        fc.array(fc.string(), { minLength: 1, maxLength: 4 }),
        fc.array(fc.string(), { minLength: 1, maxLength: 4 }),
        async (value, context, otherContext) => {
          const sealed = await keys.sealValue(ALPHA, "vault", context, value);
          expect(sealed.length).toBe(value.length + 98);
          expect(new Uint8Array(await keys.openValue(ALPHA, "vault", context, sealed))).toEqual(value);
          const open = async (): Promise<Buffer> => await keys.openValue(ALPHA, "vault", otherContext, sealed);
          if (JSON.stringify(context) !== JSON.stringify(otherContext)) {
            await expect(open()).rejects.toMatchObject(REFUSED);
          }
          const elsewhere = async (): Promise<Buffer> => await keys.openValue(ALPHA, "secrets", context, sealed);
          await expect(elsewhere()).rejects.toMatchObject(REFUSED);
        },
      ),
      { numRuns: 50 },
    );
  });

  test("cannot be opened by shifting letters between the parts of its context", async () => {
    const { keys } = await testKeys();
    const sealed = await keys.sealValue(ALPHA, "vault", ["a|b", "c"], Buffer.from("x"));
    const shifted = async (): Promise<Buffer> => await keys.openValue(ALPHA, "vault", ["a", "b|c"], sealed);
    await expect(shifted()).rejects.toMatchObject(REFUSED);
  });

  test("damaged in any way is refused in the same words", async () => {
    const { keys } = await testKeys();
    const sealed = await keys.sealValue(ALPHA, "vault", ["totp", "u1"], Buffer.from("a seed of twenty byt"));
    await fc.assert(
      fc.asyncProperty(damage(sealed), async (bytes) => {
        const open = async (): Promise<Buffer> => await keys.openValue(ALPHA, "vault", ["totp", "u1"], bytes);
        await expect(open()).rejects.toMatchObject(REFUSED);
      }),
    );
  });
});

describe("the software master", () => {
  test("has a text form that reads back to the same key", () => {
    const text = newMasterText();
    expect(text).toMatch(/^ringwall-master-key-1:[A-Za-z0-9_-]{43}\n$/u);
    expect(softwareMaster(parseMasterText(text)).id).toBe(softwareMaster(parseMasterText(text)).id);
    expect(softwareMaster(parseMasterText(newMasterText())).id).not.toBe(softwareMaster(parseMasterText(text)).id);
  });

  test("wipes the bytes it was given", () => {
    const bytes = Buffer.from(randomBytes(32));
    softwareMaster(bytes);
    expect(bytes.equals(Buffer.alloc(32))).toBe(true);
  });

  test("refuses every other text, and shows none of it", () => {
    const text = newMasterText();
    const key = text.slice("ringwall-master-key-1:".length, -1);
    const spoiled = [
      "",
      key,
      `ringwall-master-key-2:${key}`,
      `ringwall-master-key-1:${key.slice(1)}`,
      `ringwall-master-key-1:${key}A`,
      `${text}\n`,
      ` ${text}`,
      `ringwall-master-key-1:${"A".repeat(43)}`,
      // Two bits more than 32 bytes: the same key in another spelling.
      `ringwall-master-key-1:${"B".repeat(43)}`,
    ];
    for (const bad of spoiled) {
      const parse = (): Buffer => parseMasterText(bad);
      expect(parse).toThrow(expect.objectContaining({ code: "keys.master_refused" }));
      expect(parse).not.toThrow(key.slice(5, 20));
    }
    fc.assert(
      fc.property(fc.string(), (bad) => {
        expect(() => parseMasterText(bad)).toThrow(expect.objectContaining({ code: "keys.master_refused" }));
      }),
    );
  });

  test("unwraps what it wrapped, in the same context only", async () => {
    const master = softwareMaster(randomBytes(32));
    const { plaintext, wrapped } = await master.generate(["a", "b"]);
    expect(await master.unwrap(wrapped, ["a", "b"])).toEqual(plaintext);
    await expect(master.unwrap(wrapped, ["ab", ""])).rejects.toMatchObject(REFUSED);
    await expect(softwareMaster(randomBytes(32)).unwrap(wrapped, ["a", "b"])).rejects.toMatchObject(REFUSED);
    for (let at = 0; at < wrapped.length; at += 1) {
      const changed = Buffer.from(wrapped);
      changed[at] = (changed[at] ?? 0) ^ 1;
      await expect(master.unwrap(changed, ["a", "b"])).rejects.toMatchObject(REFUSED);
    }
  });
});
