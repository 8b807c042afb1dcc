import * as fc from "fast-check";
import { TOTP } from "otpauth";
import { describe, expect, test } from "vitest";
import { acceptableSteps, enrolmentUri, isCode, matchStep, newSeed } from "./totp.ts";

// RFC 6238, appendix B, SHA-1; the last six of the eight digits (RFC 4226, section 5.3: modulo).
const RFC_SEED = Buffer.from("12345678901234567890");
const RFC_VECTORS: readonly (readonly [number, string])[] = [
  [59, "287082"],
  [1_111_111_109, "081804"],
  [1_111_111_111, "050471"],
  [1_234_567_890, "005924"],
  [2_000_000_000, "279037"],
  [20_000_000_000, "353130"],
];

describe("codes", () => {
  test.each(RFC_VECTORS)("RFC 6238 at %i s", (seconds, code) => {
    expect(matchStep(RFC_SEED, code, seconds * 1_000)).toBe(Math.floor(seconds / 30));
  });

  test("of the step before are taken for five seconds, of any other step never", () => {
    const startMs = 1_111_111_110_000;
    const step = startMs / 30_000;
    expect(acceptableSteps(startMs)).toEqual([step, step - 1]);
    expect(acceptableSteps(startMs + 4_999)).toEqual([step, step - 1]);
    expect(acceptableSteps(startMs + 5_000)).toEqual([step]);
    expect(acceptableSteps(startMs + 29_999)).toEqual([step]);
  });

  test("match at their own step within its time, whatever the seed", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 30_000, max: 4_102_444_800_000 }),
        fc.integer({ min: -90, max: 90 }),
        (ms, shift) => {
          const seed = newSeed();
          const { base32 } = enrolmentUri(seed, "Ringwall", "ada@x.de");
          const atMs = Math.max(30_000, ms + shift * 1_000);
          const code = new TOTP({ secret: base32 }).generate({ timestamp: ms });
          const matched = matchStep(seed, code, atMs);
          const step = Math.floor(ms / 30_000);
          if (acceptableSteps(atMs).includes(step)) expect(matched).toBeDefined();
          // One code in a million is also another step's.
          if (matched !== undefined && matched !== step) expect(acceptableSteps(atMs)).toContain(matched);
        },
      ),
      { numRuns: 60 },
    );
  });

  test.each(["", "12345", "1234567", "12345a", " 12345", "１２３４５６", "-12345", "1e5000"])("%j is none", (text) => {
    expect(isCode(text)).toBe(false);
    expect(matchStep(RFC_SEED, text, 59_000)).toBeUndefined();
  });
});

test("an enrolment address carries what the apps need", () => {
  const { uri, base32 } = enrolmentUri(RFC_SEED, "Bank A", "ada@x.de");
  const parsed = new URL(uri);
  expect(parsed.protocol).toBe("otpauth:");
  expect(parsed.searchParams.get("secret")).toBe(base32);
  expect(parsed.searchParams.get("issuer")).toBe("Bank A");
});
