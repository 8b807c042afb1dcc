import { createHash, timingSafeEqual } from "node:crypto";
import { inspect } from "node:util";

const REDACTED = "[secret]";

/**
 * A value that must not be seen. Prints as `[secret]` in strings, JSON, `inspect`, errors and logs;
 * `open()` is the only way to the value and is easy to search for.
 */
export class PlainSecret {
  readonly #value: string;

  constructor(value: string) {
    this.#value = value;
  }

  /** The value itself. Keep it in the smallest scope that works, and never in a message. */
  open(): string {
    return this.#value;
  }

  toString(): string {
    return REDACTED;
  }

  toJSON(): string {
    return REDACTED;
  }

  [Symbol.toPrimitive](): string {
    return REDACTED;
  }

  [inspect.custom](): string {
    return REDACTED;
  }
}

/**
 * Compares two secrets in time that depends on neither content nor length: both are hashed first,
 * so that `timingSafeEqual` always sees 32 bytes.
 */
export function equalSecret(left: string | Uint8Array, right: string | Uint8Array): boolean {
  const digest = (value: string | Uint8Array): Buffer => createHash("sha256").update(value).digest();
  return timingSafeEqual(digest(left), digest(right));
}
