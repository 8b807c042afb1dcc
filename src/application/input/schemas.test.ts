import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { amount, IdempotencyKey, Name, TenantIdText, Text, Title, Uuid } from "./index.ts";

const ok = (schema: z.ZodType, value: unknown): boolean => schema.safeParse(value).success;

describe("names", () => {
  test.each(["Ada", "Zoë O'Brien-Núñez", "李小龍", "می\u200Cخواهم", "🦊", "x".repeat(100), "🦊".repeat(100)])(
    "%j is a name",
    (name) => expect(Name.parse(name)).toBe(name),
  );
  test.each(["", " ", "x".repeat(101), "🦊".repeat(101), "a\nb", "a\0", "evil\u202Etxt", "\ud800", "\u200D"])(
    "%j is refused",
    (name) => expect(ok(Name, name)).toBe(false),
  );
});

describe("titles", () => {
  test("hold no HTML, and may compare numbers", () => {
    expect(ok(Title, "a < b and c > d")).toBe(true);
    for (const html of ["<b>", "</b", "x <script>", "<!-- ", "<?xml"]) expect(ok(Title, html)).toBe(false);
    expect(ok(Title, "x".repeat(201))).toBe(false);
  });
});

describe("text", () => {
  test("is refused when too long, never cut", () => {
    expect(Text.parse("x".repeat(10_000))).toHaveLength(10_000);
    expect(ok(Text, "x".repeat(10_001))).toBe(false);
  });
  test("what is accepted comes out as it went in", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary", maxLength: 200 }), (text) => {
        const result = Text.safeParse(text);
        if (result.success) expect(result.data).toBe(text);
        else expect(text.includes("\0")).toBe(true);
      }),
    );
  });
});

describe("money", () => {
  const Amount = amount(1_000n);
  test.each([0, -1, 0.5, 1e300, Number.NaN, Number.POSITIVE_INFINITY, "5", 1_001, 2 ** 53, null, true, 5n])(
    "%s is refused",
    (value) => expect(ok(Amount, value)).toBe(false),
  );
  test("an integer within the limit comes out exactly", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 1_000 }), (value) => {
        expect(Amount.parse(value)).toBe(BigInt(value));
      }),
    );
  });
});

test("ids and keys have one form", () => {
  expect(ok(TenantIdText, "bank-a")).toBe(true);
  for (const bad of ["ab", "Bank", "../x", "a".repeat(51), "bank a", 7]) expect(ok(TenantIdText, bad)).toBe(false);
  expect(ok(Uuid, "0192f3a0-0000-7000-8000-000000000000")).toBe(true);
  expect(ok(Uuid, "0192F3A0-0000-7000-8000-000000000000")).toBe(false);
  expect(ok(IdempotencyKey, "order-17/á")).toBe(false);
  expect(ok(IdempotencyKey, "k".repeat(256))).toBe(false);
  expect(ok(IdempotencyKey, "0192f3a0")).toBe(true);
});

test("a schema of ours refuses fields nobody asked for", () => {
  const schema = z.strictObject({ name: Name });
  expect(ok(schema, { name: "Ada", role: "owner" })).toBe(false);
});
