import { isUtf8 } from "node:buffer";
import { RingwallError } from "../core/index.ts";
import { LIMITS } from "./limits.ts";

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;
const OPEN_BRACKET = 0x5b;
const CLOSE_BRACKET = 0x5d;
const COLON = 0x3a;

/** Members that reach an object's prototype when somebody later copies them without care. */
const FORBIDDEN_MEMBERS: ReadonlySet<string> = new Set(["__proto__", "constructor", "prototype"]);

/**
 * Parses a JSON body into a value that every later reader understands alike, or refuses it.
 *
 * Refused beyond what `JSON.parse` refuses: bytes that are not UTF-8, a byte order mark, nesting deeper than
 * `LIMITS.jsonDepth`, more than `LIMITS.jsonMembers` members, a member named twice (readers disagree about which one
 * counts), members that name a prototype, numbers too large for a double, and in strings the NUL and half surrogate
 * pairs that PostgreSQL cannot store as sent. Takes time linear in the number of bytes.
 *
 * @throws RingwallError `request.malformed`. `detail.reason` says why; no part of the body is in the error.
 */
export function parseJsonStrict(bytes: Uint8Array): unknown {
  if (!isUtf8(bytes)) throw malformed("json_utf8");
  // `isUtf8` was strict, so nothing is replaced here, and a byte order mark stays in the text, where JSON has no place for it.
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("utf8");
  const members = countMembers(text);
  const value = parse(text);
  // Escapes are the only way to a half surrogate or a NUL in text that was valid UTF-8 and JSON.
  const found = walk(value, text.includes("\\u"));
  // A member that was named twice is in the text twice and in the value once.
  if (found !== members) throw malformed("json_duplicate_member");
  return value;
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    // The original message quotes the body, which may hold a password; so it is not kept as the cause.
    throw malformed("json_syntax");
  }
}

/** Counts colons outside strings, which in valid JSON are the members, and holds the limits. One pass, no stack. */
function countMembers(text: string): number {
  let depth = 0;
  let members = 0;
  for (let index = 0; index < text.length; index += 1) {
    switch (text.charCodeAt(index)) {
      case QUOTE:
        index = stringEnd(text, index + 1);
        break;
      case OPEN_BRACE:
      case OPEN_BRACKET:
        depth += 1;
        if (depth > LIMITS.jsonDepth) throw malformed("json_depth");
        break;
      case CLOSE_BRACE:
      case CLOSE_BRACKET:
        depth -= 1;
        break;
      case COLON:
        members += 1;
        if (members > LIMITS.jsonMembers) throw malformed("json_members");
        break;
      default:
    }
  }
  return members;
}

/** The index of the quote that ends a string, or the text's length. */
function stringEnd(text: string, start: number): number {
  let index = start;
  while (index < text.length) {
    const code = text.charCodeAt(index);
    if (code === QUOTE) return index;
    index += code === BACKSLASH ? 2 : 1;
  }
  return index;
}

/** Counts the members of a parsed value and checks names, strings and numbers. The depth was checked before. */
function walk(value: unknown, escaped: boolean): number {
  if (typeof value === "string") {
    if (escaped) checkText(value);
    return 0;
  }
  if (typeof value === "number") {
    if (!Number.isFinite(value)) throw malformed("json_number");
    return 0;
  }
  if (typeof value !== "object" || value === null) return 0;
  let members = 0;
  if (Array.isArray(value)) {
    for (const item of value) members += walk(item, escaped);
    return members;
  }
  for (const [name, member] of Object.entries(value)) {
    if (FORBIDDEN_MEMBERS.has(name)) throw malformed("json_prototype_member");
    if (escaped) checkText(name);
    members += 1 + walk(member, escaped);
  }
  return members;
}

function checkText(text: string): void {
  if (!text.isWellFormed()) throw malformed("json_surrogate");
  if (text.includes("\0")) throw malformed("json_nul");
}

function malformed(reason: string): RingwallError {
  return new RingwallError("request.malformed", { detail: { reason } });
}

// A longer media type is none that a client of ours sends.
const MEDIA_TYPE_CHARS_MAX = 100;

/** True for `application/json`, alone or with `charset=utf-8`: the one form bodies are read in. */
export function isJsonMediaType(contentType: string | undefined): boolean {
  if (contentType === "application/json") return true;
  if (contentType === undefined || contentType.length > MEDIA_TYPE_CHARS_MAX) return false;
  return /^application\/json(?:[ \t]*;[ \t]*charset=(?:utf-8|"utf-8"))?$/i.test(contentType);
}
