import * as fc from "fast-check";
import { expect, test } from "vitest";
import { encryptionContext } from "./master-key.ts";

const word = fc.string({ unit: "binary", maxLength: 200 }).map((text) => text.toWellFormed());
const words = fc.array(word, { minLength: 1, maxLength: 12 });

test("two contexts have one encryption context only when they are the same", () => {
  fc.assert(
    fc.property(words, words, (left, right) => {
      const same = JSON.stringify(left) === JSON.stringify(right);
      expect(JSON.stringify(encryptionContext(left)) === JSON.stringify(encryptionContext(right))).toBe(same);
    }),
  );
  expect(encryptionContext(["a|b", "c"])["ringwall"]).not.toBe(encryptionContext(["a", "b|c"])["ringwall"]);
});

test("plain words show, others are bound unseen, and the whole is within what KMS takes", () => {
  const shown = encryptionContext(["rw/tenant-key/v1", "alpha-bank", "data", "1"]);
  expect(shown).toMatchObject({ "ringwall-0": "rw/tenant-key/v1", "ringwall-1": "alpha-bank", "ringwall-2": "data" });
  fc.assert(
    fc.property(words, (context) => {
      const made = encryptionContext(context);
      const length = Object.entries(made).reduce((sum, [name, value]) => sum + name.length + value.length, 0);
      expect(length).toBeLessThan(8_192);
      for (const value of Object.values(made)) expect(value).toMatch(/^[\w./-]+$/u);
    }),
  );
});
