import * as fc from "fast-check";
import { expect, test } from "vitest";
import { fieldCipher } from "./field-cipher.ts";

const cipher = fieldCipher("0f".repeat(32));

test("what was sealed for a row opens for that row and for no other", () => {
  fc.assert(
    fc.property(fc.string(), fc.uuid(), fc.uuid(), (text, row, other) => {
      fc.pre(row !== other);
      const sealed = cipher.seal(text, row);
      expect(cipher.open(sealed, row)).toBe(Buffer.from(text, "utf8").toString("utf8"));
      expect(() => cipher.open(sealed, other)).toThrow();
    }),
  );
});
