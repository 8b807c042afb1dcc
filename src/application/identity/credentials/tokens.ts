import { createHmac, type KeyObject } from "node:crypto";
import { assert, encodeTuple, PlainSecret, randomToken, type TenantId } from "../../../core/index.ts";

/**
 * The key for one kind of keyed hash, from outside the database. Separate keys, so that a digest of one kind can
 * never be presented as another.
 */
export type Pepper = (purpose: "session" | "link" | "attempt") => Promise<Buffer | KeyObject>;

/** What the token is for, in its first characters: a scanner recognises a leaked one, a reader a misplaced one. */
export type TokenKind = "session" | "login" | "link";

const PREFIXES: Readonly<Record<TokenKind, string>> = { session: "rws_", login: "rwl_", link: "rwk_" };
// 256 bits in base64url: 43 characters. A bearer token of any other form is refused without asking the database.
const TOKEN = /^(?:rws|rwl|rwk)_[A-Za-z0-9_-]{43}$/;
const PEPPER_BYTES_MIN = 32;

/** A fresh bearer token and the digest under which alone it is stored. */
export interface MintedToken {
  readonly token: PlainSecret;
  readonly digest: Buffer;
}

export async function mintToken(kind: TokenKind, pepper: Pepper): Promise<MintedToken> {
  const text = PREFIXES[kind] + randomToken();
  return { token: new PlainSecret(text), digest: await tokenDigest(kind, text, pepper) };
}

/** Whether `text` has the form of such a token. Anything else is refused before any work. */
export function isToken(kind: TokenKind, text: string): boolean {
  return text.length === 47 && text.startsWith(PREFIXES[kind]) && TOKEN.test(text);
}

/** What the database stores and finds a token by: a thief of the table has nothing to present. */
export async function tokenDigest(kind: TokenKind, text: string, pepper: Pepper): Promise<Buffer> {
  assert(isToken(kind, text), "only a well-formed token is digested");
  // Login transactions share the session pepper; the kind is part of the input, so the digests do not meet.
  const key = await pepper(kind === "link" ? "link" : "session");
  return keyedHash(key, kind, text);
}

/**
 * The name of an account in counters and audit: a keyed commitment, the same for addresses that exist and those that
 * do not. People type passwords into the e-mail box, so it is never kept in clear for unknown ones.
 */
export async function accountCommitment(tenant: TenantId, email: string, pepper: Pepper): Promise<Buffer> {
  const key = await pepper("attempt");
  return keyedHash(key, "account", tenant, email);
}

function keyedHash(key: Buffer | KeyObject, ...parts: readonly string[]): Buffer {
  const bytes = key instanceof Uint8Array ? key.length : (key.symmetricKeySize ?? 0);
  assert(bytes >= PEPPER_BYTES_MIN, "a pepper has at least 256 bits");
  return createHmac("sha256", key)
    .update(encodeTuple(...parts))
    .digest();
}
