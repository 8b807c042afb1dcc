import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { tenantId } from "../../../core/index.ts";
import { IdentityConfig } from "../config.ts";
import {
  accountCommitment,
  isToken,
  mintToken,
  normaliseEmail,
  type Pepper,
  preparePassword,
  requireAcceptable,
  tokenDigest,
} from "./index.ts";

const pepper: Pepper = async (purpose) => Buffer.alloc(32, purpose);
const rules = IdentityConfig.parse({}).password;
const acceptable = (password: string, secondFactor = true, words: readonly string[] = []): boolean => {
  try {
    requireAcceptable(preparePassword(password), rules, { secondFactor, words });
    return true;
  } catch {
    return false;
  }
};

describe("addresses", () => {
  test("have one spelling, whatever case, width or space they come in", () => {
    for (const text of ["Ada@Example.COM", "  ada@example.com\t", "ａｄａ@example.com"]) {
      expect(normaliseEmail(text)).toBe("ada@example.com");
    }
    expect(normaliseEmail("zoë+tag@münchen.example")).toBe("zoë+tag@münchen.example");
  });

  test.each([
    "",
    "ada",
    "@x.de",
    "ada@",
    "ada@host",
    "a b@x.de",
    "a\0@x.de",
    "a\n@x.de",
    '"a"@x.de',
    "a@x..de",
    "a@-x.de",
    ".a@x.de",
    "a..b@x.de",
    "a@b@x.de ,c@y.de",
    `${"a".repeat(65)}@x.de`,
    `a@${"b".repeat(64)}.de`,
    `a@${"b.".repeat(150)}de`,
    "\ud800@x.de",
  ])("%j is refused", (text) => {
    expect(() => normaliseEmail(text)).toThrow(expect.objectContaining({ code: "request.invalid" }));
  });

  test("normalising twice changes nothing", () => {
    const part = fc.string({ unit: "grapheme", minLength: 1, maxLength: 12 });
    fc.assert(
      fc.property(part, part, (local, host) => {
        let once: string;
        try {
          once = normaliseEmail(`${local}@${host}.example`);
        } catch {
          return;
        }
        expect(normaliseEmail(once)).toBe(once);
      }),
    );
  });
});

describe("passwords", () => {
  test("need 15 characters alone and 12 with a second factor", () => {
    expect(acceptable("mxv-teal-0rbi", true)).toBe(true);
    expect(acceptable("mxv-teal-0rbi", false)).toBe(false);
    expect(acceptable("mxv-teal-0rbit7", false)).toBe(true);
    expect(acceptable("mxv-teal-0r", true)).toBe(false);
    // Characters, not bytes or UTF-16 units.
    expect(acceptable("🦊🐢🦉🐙🦀🐝🦋🐌🐞🐜🦂")).toBe(false);
    expect(acceptable("🦊🐢🦉🐙🦀🐝🦋🐌🐞🐜🦂🐬")).toBe(true);
  });

  test("may be any 1,024 bytes of text, and one more is refused before any hashing", () => {
    expect(preparePassword("x".repeat(1_024))).toHaveLength(1_024);
    for (const long of ["x".repeat(1_025), "é".repeat(513), "x".repeat(5_000_000), "\ud800 half a pair"]) {
      expect(() => preparePassword(long)).toThrow(expect.objectContaining({ code: "request.invalid" }));
    }
  });

  test("are neither trimmed nor cut nor stripped, and compose to one form", () => {
    expect(preparePassword(" a\0b ${x} {{y}} '; -- ")).toBe(" a\0b ${x} {{y}} '; -- ");
    expect(preparePassword("e\u0301")).toBe(preparePassword("\u00e9"));
  });

  test("are hashed in their NFKC form, and preparing twice changes nothing", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary", maxLength: 60 }), (text) => {
        const prepared = preparePassword(text);
        expect(prepared).toBe(text.normalize("NFKC"));
        if (Buffer.byteLength(prepared) <= 1_024) expect(preparePassword(prepared)).toBe(prepared);
      }),
    );
  });

  test.each([
    "Password1234!",
    "P@ssword12345",
    "1qaz2wsx3edc",
    "QwertyUiop123",
    "123456789012",
    "abcdefghijkl",
    "aaaaaaaaaaaa",
    "abc123abc123abc",
    "Welcome123456",
    "correcthorsebatterystaple",
    "Summer2026!!",
  ])("%j is too easy to guess", (password) => expect(acceptable(password)).toBe(false));

  test("may not be made of the person's or the tenant's own words", () => {
    const words = ["bank-aurora", "Aurora Bank", "Ada Lovelace", "ada.lovelace@aurora.example"];
    expect(acceptable("AuroraLovelace1", false, words)).toBe(false);
    expect(acceptable("aurora-bank-2026", false, words)).toBe(false);
    expect(acceptable("tide lovelace knot 52", false, words)).toBe(true);
  });

  test("four classes are asked for only by setting", () => {
    const strict = { ...rules, fourClasses: true };
    const context = { secondFactor: true, words: [] };
    expect(() => requireAcceptable("mxv-teal-0rbit", strict, context)).toThrow("upper case");
    expect(() => requireAcceptable("mxv-Teal-0rbit", strict, context)).not.toThrow();
  });
});

describe("tokens", () => {
  test("have a kind, 256 bits, and print as nothing", async () => {
    const { token, digest } = await mintToken("session", pepper);
    expect(token.open()).toMatch(/^rws_[A-Za-z0-9_-]{43}$/);
    expect(JSON.stringify({ token })).toBe('{"token":"[secret]"}');
    expect(digest).toEqual(await tokenDigest("session", token.open(), pepper));
    expect(digest.toString("latin1")).not.toContain(token.open());
  });

  test("of one kind are not tokens of another", async () => {
    const login = (await mintToken("login", pepper)).token.open();
    expect(isToken("login", login)).toBe(true);
    expect(isToken("session", login)).toBe(false);
    expect(isToken("session", `rws_${login.slice(4)}x`)).toBe(false);
    const asSession = await tokenDigest("session", `rws_${login.slice(4)}`, pepper);
    expect(asSession).not.toEqual(await tokenDigest("login", login, pepper));
  });

  test("an account's commitment depends on tenant and address, and only on them", async () => {
    const a = await accountCommitment(tenantId("bank-a"), "ada@x.de", pepper);
    expect(a).toEqual(await accountCommitment(tenantId("bank-a"), "ada@x.de", pepper));
    expect(a).not.toEqual(await accountCommitment(tenantId("bank-b"), "ada@x.de", pepper));
    expect(a).not.toEqual(await accountCommitment(tenantId("bank-a"), "bob@x.de", pepper));
  });
});
