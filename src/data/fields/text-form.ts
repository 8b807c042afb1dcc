import { decryptFailed } from "../keys/index.ts";
import { FIELD_BYTES_MAX, FIELD_OVERHEAD_BYTES } from "./format.ts";

const PREFIX = "rw1.";
const ALPHABET = /^[A-Za-z0-9_-]+$/;
const VERSION = 1;
const SUITE = 1;
const charactersOf = (bytes: number): number => PREFIX.length + Math.ceil((bytes * 4) / 3);
/** Lengths of the text form of the shortest and the longest sealed field. */
export const TEXT_CHARACTERS_MIN = charactersOf(FIELD_OVERHEAD_BYTES);
export const TEXT_CHARACTERS_MAX = charactersOf(FIELD_OVERHEAD_BYTES + FIELD_BYTES_MAX);

/** A sealed field for a text column: `rw1.` and base64url without padding. */
export function sealedText(sealed: Buffer): string {
  return PREFIX + sealed.toString("base64url");
}

/**
 * Reads the text form. One sealed field has one spelling: another alphabet, padding, spaces, bits beyond the last byte
 * and a version or suite we do not know are all refused, and a text that "does not look sealed" is never handed back.
 * @throws RingwallError `keys.decrypt_failed`
 */
export function parseSealedText(text: string): Buffer {
  if (text.length < TEXT_CHARACTERS_MIN || text.length > TEXT_CHARACTERS_MAX) throw decryptFailed();
  const encoded = text.slice(PREFIX.length);
  if (!text.startsWith(PREFIX) || !ALPHABET.test(encoded)) throw decryptFailed();
  const sealed = Buffer.from(encoded, "base64url");
  if (sealed.toString("base64url") !== encoded) throw decryptFailed();
  if (sealed[0] !== VERSION || sealed[1] !== SUITE) throw decryptFailed();
  return sealed;
}
