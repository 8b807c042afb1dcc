import { type PlainSecret, RingwallError } from "../../core/index.ts";

/** One to eight segments, each of 1 to 64 lower-case letters, digits, `_` and `-`. No dots: `..` cannot be written. */
const NAME_PATTERN = /^[a-z0-9_-]{1,64}(?:\/[a-z0-9_-]{1,64}){0,7}$/;
const NAME_LENGTH_MAX = 8 * 65 - 1;

/** Certificates with their keys fit; a file belongs into the object store. */
export const SECRET_BYTES_MAX = 65_536;

/** True when a name has the form of a secret's. Linear in its length, which is bounded first. */
export function isSecretName(name: string): boolean {
  return name.length <= NAME_LENGTH_MAX && NAME_PATTERN.test(name);
}

/**
 * @returns The name itself.
 * @throws RingwallError `secrets.invalid` when it has another form. The name is not repeated: it came from outside.
 */
export function secretName(name: string): string {
  if (!isSecretName(name)) {
    throw new RingwallError("secrets.invalid", {
      message: "a secret's name is one to eight segments of a-z, 0-9, _ and -, with / between them",
    });
  }
  return name;
}

/** The value's bytes. @throws RingwallError `secrets.invalid` when it is empty, too large or not text. */
export function secretBytes(value: PlainSecret): Buffer {
  const text = value.open();
  // Half a surrogate pair has no UTF-8: it would come back as another text.
  if (text === "" || text.length > SECRET_BYTES_MAX || !text.isWellFormed()) throw unacceptable();
  const bytes = Buffer.from(text, "utf8");
  if (bytes.length > SECRET_BYTES_MAX) throw unacceptable();
  return bytes;
}

function unacceptable(): RingwallError {
  return new RingwallError("secrets.invalid", {
    message: `a secret's value is text of 1 to ${String(SECRET_BYTES_MAX)} bytes`,
  });
}
