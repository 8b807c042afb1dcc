import * as fc from "fast-check";
import { expect, test } from "vitest";
import {
  BUCKET_KEY_CHARS_MAX,
  TENANT_KEY_CHARS_MAX,
  type TenantId,
  tenantChannel,
  tenantKey,
  tenantLockNumber,
  tenantPrefix,
} from "./index.ts";

const tenant = fc.stringMatching(/^[a-z0-9_-]{3,50}$/).map((id) => id as TenantId);
const purpose = fc.stringMatching(/^[a-z][a-z0-9-]{0,31}$/);
// What separates the parts of other keys comes up often; so do digits, broken surrogates and parts of great length.
const part = fc.oneof(
  fc.string({
    unit: fc.constantFrom(":", ".", "#", "0", "1", "2", "/", "a", "\u0000", "\ud800", "\udfff"),
    maxLength: 12,
  }),
  fc.string({ unit: "binary", maxLength: 20 }),
  fc.string({ unit: "grapheme", minLength: 200, maxLength: 400 }),
);
const input = fc.tuple(tenant, purpose, fc.array(part, { maxLength: 4 }));

test("no two different inputs give the same key, and no key is longer than a counter takes", () => {
  fc.assert(
    fc.property(input, input, (one, other) => {
      const [left, right] = [one, other].map(([id, what, parts]) => tenantKey(id, what, ...parts));
      expect(left === right).toBe(JSON.stringify(one) === JSON.stringify(other));
      expect(Math.max(left?.length ?? 0, right?.length ?? 0)).toBeLessThanOrEqual(TENANT_KEY_CHARS_MAX);
    }),
    { numRuns: 2_000 },
  );
  expect(TENANT_KEY_CHARS_MAX).toBeLessThanOrEqual(BUCKET_KEY_CHARS_MAX);
});

test("parts that were cut in another place give another key", () => {
  fc.assert(
    fc.property(tenant, purpose, fc.array(part, { minLength: 1, maxLength: 4 }), fc.nat(), (id, what, parts, at) => {
      const index = at % parts.length;
      const text = parts[index] ?? "";
      const cut = at % (text.length + 1);
      const split = [...parts.slice(0, index), text.slice(0, cut), text.slice(cut), ...parts.slice(index + 1)];
      expect(tenantKey(id, what, ...split)).not.toBe(tenantKey(id, what, ...parts));
      expect(tenantKey(id, what, parts.join(":"))).not.toBe(tenantKey(id, what, ...parts, ""));
    }),
    { numRuns: 2_000 },
  );
});

test("every key begins with its tenant and ends the tenant's name at once", () => {
  fc.assert(
    fc.property(input, ([id, what, parts]) => {
      expect(tenantKey(id, what, ...parts).startsWith(`${id}:${what}`)).toBe(true);
      expect(tenantPrefix(id, what)).toBe(`${id}/${what}/`);
    }),
  );
});

test("channels fit PostgreSQL's 63 characters, and differ as their inputs do", () => {
  fc.assert(
    fc.property(tenant, purpose, tenant, purpose, (id, what, other, otherwise) => {
      expect(tenantChannel(id, what).length).toBeLessThanOrEqual(63);
      expect(tenantChannel(id, what) === tenantChannel(other, otherwise)).toBe(id === other && what === otherwise);
    }),
    { numRuns: 2_000 },
  );
});

test("a lock's number has 64 bits, and is the key's own", () => {
  fc.assert(
    fc.property(input, ([id, what, parts]) => {
      const number = tenantLockNumber(tenantKey(id, what, ...parts));
      expect(BigInt.asIntN(64, number)).toBe(number);
      expect(tenantLockNumber(tenantKey(id, what, ...parts, "x"))).not.toBe(number);
    }),
  );
});

test("what is no tenant, and a purpose of another form, is a mistake in the code", () => {
  for (const id of ["", "ab", "a:b:c", "UPPER", "../x", "a".repeat(51)]) {
    expect(() => tenantKey(id as TenantId, "x")).toThrow("a key begins with a tenant");
    expect(() => tenantPrefix(id as TenantId, "x")).toThrow("a key begins with a tenant");
  }
  for (const what of ["", "a:b", "A", "a/b", "..", "1", "a".repeat(33)]) {
    expect(() => tenantKey("northbank" as TenantId, what)).toThrow("a key's purpose");
    expect(() => tenantPrefix("northbank" as TenantId, what)).toThrow("a key's purpose");
  }
});
