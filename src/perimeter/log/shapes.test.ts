import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { printable, scrub, scrubShort } from "./shapes.ts";

const base64url = (length: number): fc.Arbitrary<string> =>
  fc.string({
    unit: fc.constantFrom(..."ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_".split("")),
    minLength: length,
    maxLength: length,
  });

/** A card number of 13 to 19 digits with its check digit, plain or in groups. */
const card = fc
  .tuple(
    fc.integer({ min: 12, max: 18 }),
    fc.infiniteStream(fc.integer({ min: 0, max: 9 })),
    fc.constantFrom("", " ", "-"),
  )
  .map(([length, stream, separator]) => {
    const digits = [4, ...stream.take(length - 1)];
    const sum = digits.toReversed().reduce((total, digit, index) => {
      const doubled = index % 2 === 0 ? digit * 2 : digit;
      return total + (doubled > 9 ? doubled - 9 : doubled);
    }, 0);
    const text = [...digits, (10 - (sum % 10)) % 10].join("");
    return separator === "" ? text : (text.match(/.{1,4}/g) ?? []).join(separator);
  });

/** A secret as it would be found in a text, and the part of it that must not come out. */
const secret: fc.Arbitrary<{ shown: string; canary: string }> = fc.oneof(
  base64url(43).map((body) => ({ shown: `rws_${body}`, canary: body })),
  fc.tuple(base64url(30), base64url(60), base64url(43)).map(([head, body, mac]) => ({
    shown: `eyJ${head}.eyJ${body}.${mac}`,
    canary: body,
  })),
  base64url(24).map((body) => ({ shown: `Bearer ${body}`, canary: body })),
  base64url(24).map((body) => ({ shown: `authorization=${body}`, canary: body })),
  base64url(24).map((body) => ({ shown: `{"password": "${body} \\" ${body}"}`, canary: body })),
  base64url(24).map((body) => ({ shown: `postgres://bank_app:${body}@db.internal/bank`, canary: body })),
  base64url(64).map((body) => ({
    shown: `-----BEGIN EC PRIVATE KEY-----\n${body}\n-----END EC PRIVATE KEY-----`,
    canary: body,
  })),
  base64url(64).map((body) => ({ shown: `-----BEGIN PRIVATE KEY-----\\n${body}`, canary: body })),
  card.map((number) => ({ shown: number, canary: number })),
);

// Words with a space at each side, so that a canary is not made up anew by what stands beside it.
const prose = fc.array(fc.constantFrom("a", "the", "rw", "eyJ", "token", "code", "7", "-", "(", "key:", "é", "\n"), {
  maxLength: 8,
});

describe("planted secrets", () => {
  test("never come out, whatever stands around them", () => {
    fc.assert(
      fc.property(prose, secret, prose, (before, { shown, canary }, after) => {
        const text = `${before.join(" ")} ${shown} ${after.join(" ")}`;
        expect(scrub(text)).not.toContain(canary);
      }),
      { numRuns: 2_000 },
    );
  });

  test("never come out in part when the text is cut in the middle of them", () => {
    fc.assert(
      fc.property(secret, fc.integer({ min: 0, max: 200 }), ({ shown, canary }, start) => {
        const cut = scrubShort(`${"x ".repeat(start)}${shown} end`, 256);
        // Ten characters of a secret are no secret any more, but twelve in a row would show that a cut lets it through.
        for (let from = 0; from + 12 <= canary.length; from += 1)
          expect(cut).not.toContain(canary.slice(from, from + 12));
      }),
      { numRuns: 1_000 },
    );
  });

  test("a card number followed by its check number, glued to letters, or before a UUID", () => {
    for (const text of [
      "4111 1111 1111 1111 123",
      "card4111111111111111x",
      "4111-1111-1111-1111",
      "41111111111111111",
      "4111111111111111 01935f5e-1234-7123-8123-123456789012",
      "01935f5e-1234-7123-8123-123456789012 4111111111111111",
      "01935f5e-1234-7123-8123-4111111111111111",
    ]) {
      expect(scrub(text)).not.toMatch(/1111.?1111.?1111/);
    }
  });

  test("a JWT that holds the beginning of one of our tokens by chance is masked whole", () => {
    const text = `eyJhbGciOiJFUzI1NiJ9rwab_${"A".repeat(50)}.payload-canary.signature-canary`;
    expect(scrub(text)).not.toContain("canary");
    expect(scrub(`rws_${"A".repeat(20)}eyJhbGciOiJF${"B".repeat(20)}`)).toBe("[redacted]");
  });
});

describe("what is no secret stays readable", () => {
  test.each([
    "/api/accounts/01935f5e-1234-7123-8123-123456789012",
    "01935f5e-4111-7111-8111-111111111111",
    "2025-11-24T04:20:19.123Z took 1234 ms",
    "relation ringwall.session does not exist",
    "1234567890123 has the wrong check digit",
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Safari/537.36",
    "https://bank.example:7490/transfers",
    "token expired",
  ])("%s", (text) => {
    expect(scrub(text)).toBe(text);
  });
});

test("takes time linear in hostile text: doubling the text does not square the work", () => {
  const hostile = [
    "eyJ".repeat(100_000),
    "rw_".repeat(100_000),
    "-----BEGIN ".repeat(30_000),
    "-----BEGIN PRIVATE KEY".repeat(15_000),
    "://a:".repeat(60_000),
    "1 ".repeat(150_000),
    '"password":"\\'.repeat(25_000),
    "bearer ".repeat(45_000),
    "cookie:".repeat(45_000),
    "00000000-0000-0000-".repeat(15_000),
  ];
  // No clock: a quadratic pattern on 300,000 characters would run into the test's own limit many times over.
  for (const text of hostile) expect(scrub(text).length).toBeLessThanOrEqual(text.length * 3);
});

test("visitors cannot write lines, colours or reversed text into the log", () => {
  expect(printable("a\r\nb\u001b[31mc\u202ed\u2028e\u0085f")).toBe("a\ufffd\ufffdb\ufffd[31mc\ufffdd\ufffde\ufffdf");
  expect(printable("café 日本 👍")).toBe("café 日本 👍");
});
