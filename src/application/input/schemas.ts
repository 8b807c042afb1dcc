import { z } from "zod";
import { isTenantId, isUuid, TENANT_ID_PATTERN, type TenantId } from "../../core/index.ts";

const NAME_MAX = 100;
const TITLE_MAX = 200;
const TEXT_MAX = 10_000;
/** The longest idempotency key: enough for two UUIDs and a prefix, and a bound on the index entry. */
const IDEMPOTENCY_KEY_MAX = 255;
/** One hundred thousand million minor units; a bank that moves more in one act says so by its own maximum. */
const AMOUNT_MAX_DEFAULT = 100_000_000_000n;

// Each pattern is one character class, so matching is linear. Controls break logs and terminals; the bidirectional
// overrides make a name read as another one. Joiners (U+200C, U+200D) stay: real names in Persian and Hindi need them.
const CONTROL = /[\p{Cc}\u2028\u2029\u202A-\u202E\u2066-\u2069\uFEFF]/u;
// What a browser would take as the start of a tag, comment or declaration. "a < b" is a fine title.
const TAG_START = /<[A-Za-z/!?]/u;
const VISIBLE = /[^\s\u200C\u200D]/u;

/** Characters as people count them, near enough: code points, not UTF-16 units. */
function codePoints(text: string): number {
  let count = 0;
  for (const _ of text) count += 1;
  return count;
}

/** A string that can be stored and given back as it is: no NUL (PostgreSQL has none), no half of a surrogate pair. */
function storable(text: string): boolean {
  return !text.includes("\0") && text.isWellFormed();
}

function line(max: number): z.ZodString {
  // Two UTF-16 units for each code point at most: this bound keeps the counting short on hostile input.
  return z
    .string()
    .min(1)
    .max(max * 2)
    .refine((text) => codePoints(text) <= max, `must be at most ${max} characters`)
    .refine((text) => text.isWellFormed() && !CONTROL.test(text), "must not hold control characters")
    .refine((text) => VISIBLE.test(text), "must not be blank");
}

/** A person's or thing's name: 1 to 100 characters of any script. */
export const Name = line(NAME_MAX);

/** A title: 1 to 200 characters, none of which starts HTML. Refused, not stripped; output encodes all the same. */
export const Title = line(TITLE_MAX).refine((text) => !TAG_START.test(text), "must not hold HTML");

/** Any other string: up to 10,000 characters, refused when longer. What is stored is what was sent. */
export const Text = z.string().max(TEXT_MAX).refine(storable, "must not hold NUL or broken characters");

/** The form of a tenant's id. That the tenant exists and is not suspended is found out where it is looked up. */
export const TenantIdText = z
  .custom<TenantId>(isTenantId, "must be a tenant id")
  // What a JSON schema says of it: a custom check has no form of its own.
  .meta({ type: "string", pattern: TENANT_ID_PATTERN.source });

/** A lower-case UUID. */
export const Uuid = z.custom<string>(isUuid, "must be a lower-case UUID").meta({ type: "string", format: "uuid" });

/** The value of an `Idempotency-Key` header: visible ASCII. */
export const IdempotencyKey = z
  .string()
  .min(1)
  .max(IDEMPOTENCY_KEY_MAX)
  .regex(/^[\x21-\x7e]+$/u);

/**
 * Money: a JSON integer of minor units, at least 1. A fraction, a string, a number beyond 2^53 or above `max` is
 * refused, so no rounding can happen anywhere. Comes out as a bigint.
 */
export function amount(max: bigint = AMOUNT_MAX_DEFAULT): z.ZodType<bigint, number> {
  return z
    .int()
    .min(1)
    .transform((value) => BigInt(value))
    .refine((value) => value <= max, `must be at most ${max}`);
}
