import { LIMITS } from "./limits.ts";
import type { Flaw } from "./request-header.ts";

const SLASH = 0x2f;
const BACKSLASH = 0x5c;
const NUMBER_SIGN = 0x23;
const PERCENT = 0x25;

/**
 * Says what is wrong with a request target, if anything.
 *
 * Only the origin form (`/path?query`) is taken: absolute forms name a second host, `//host` and `/\host` become hosts
 * in a careless redirect. Dot segments, encoded or not, and encoded NUL, slash or backslash in the path are refused,
 * because readers disagree about what they mean; browsers resolve dot segments before they send.
 */
export function targetFlaw(target: string): Flaw | undefined {
  if (target.length > LIMITS.targetBytes) return { code: "request.uri_too_long", reason: "target_too_long" };
  if (target.charCodeAt(0) !== SLASH) return malformed("target_form");
  const second = target.charCodeAt(1);
  if (second === SLASH || second === BACKSLASH) return malformed("target_form");
  let encoded = false;
  for (let index = 0; index < target.length; index += 1) {
    const code = target.charCodeAt(index);
    if (code <= 0x20 || code >= 0x7f || code === NUMBER_SIGN) return malformed("target_character");
    if (code === PERCENT) encoded = true;
  }
  const query = target.indexOf("?");
  const path = query === -1 ? target : target.slice(0, query);
  return encoded || path.includes("/.") || path.includes("\\") ? pathFlaw(path) : undefined;
}

function pathFlaw(path: string): Flaw | undefined {
  if (path.includes("\\")) return malformed("target_character");
  if (/%(?![0-9a-f]{2})/i.test(path)) return malformed("target_encoding");
  if (/%(?:00|2f|5c)/i.test(path)) return malformed("target_encoded_separator");
  for (const segment of path.split("/")) {
    const plain = segment.replaceAll(/%2e/gi, ".");
    if (plain === "." || plain === "..") return malformed("target_dot_segment");
  }
  return undefined;
}

function malformed(reason: string): Flaw {
  return { code: "request.malformed", reason };
}
