import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { PlainSecret } from "../../core/index.ts";
import { SECRET_BYTES_MAX, secretBytes, secretName } from "./name.ts";

describe("a secret's name", () => {
  test("has one to eight segments", () => {
    for (const good of [
      "a",
      "database/bank",
      "a/b/c/d/e/f/g/h",
      "x".repeat(64),
      `${"x".repeat(64)}/${"y".repeat(64)}`,
      "_-0",
    ]) {
      expect(secretName(good)).toBe(good);
    }
  });

  test.each([
    "",
    "/",
    "a/",
    "/a",
    "a//b",
    "../a",
    "a/../b",
    "a/./b",
    "A",
    "a b",
    "a\0b",
    "a\n",
    "ä",
    "a%2fb",
    "a\\b",
    "a/b/c/d/e/f/g/h/i",
    "x".repeat(65),
    "a/".repeat(5_000),
    "x".repeat(10_000),
  ])("is refused otherwise, without being repeated: %j", (bad) => {
    expect(() => secretName(bad)).toThrow(expect.objectContaining({ code: "secrets.invalid", detail: {} }));
  });

  test("never holds anything but its letters", () => {
    fc.assert(
      fc.property(fc.string(), (drawn) => {
        let accepted: string;
        try {
          accepted = secretName(drawn);
        } catch {
          return;
        }
        expect(accepted.split("/").every((segment) => /^[a-z0-9_-]{1,64}$/u.test(segment))).toBe(true);
      }),
      { numRuns: 1_000 },
    );
  });
});

describe("a secret's value", () => {
  test("is text of up to 64 KiB in UTF-8", () => {
    expect(secretBytes(new PlainSecret("pässword")).toString("utf8")).toBe("pässword");
    expect(secretBytes(new PlainSecret("x".repeat(SECRET_BYTES_MAX)))).toHaveLength(SECRET_BYTES_MAX);
  });

  test.each([
    ["empty", ""],
    ["one byte too long", "x".repeat(65_537)],
    ["too long in bytes, not in letters", "ä".repeat(32_769)],
    ["half a surrogate pair", "a\ud800"],
  ])("is refused when it is %s, and is not in the message", (_name, bad) => {
    expect(() => secretBytes(new PlainSecret(bad))).toThrow(
      expect.objectContaining({ code: "secrets.invalid", message: "a secret's value is text of 1 to 65536 bytes" }),
    );
  });
});
