/**
 * Recomputes a tenant's audit chain in the browser: from the leaves as they were hashed, over every link, to the head
 * that was signed with a key outside the database.
 *
 * Guards: believes nothing that the server says about its own log; an entry that was changed, exchanged, removed or cut
 * off is named. Does not guard against a server that shows one log here and another elsewhere, or that hands out a key
 * of its own: compare the key's id with the one that `ringwall audit verify` shows on the machine.
 *
 * @module
 */
import type { AuditEvent, Chain } from "../api/types.ts";
import { type Head, readHead, signedText } from "./head.ts";

/** What to verify. */
export interface Verification {
  readonly tenant: string;
  /** The last entry that is taken on trust; 0 for the beginning of the chain, which is computed. */
  readonly after: number;
  /** The entries that the person sees, held against their leaves. */
  readonly shown: readonly AuditEvent[];
  readonly load: (after: number) => Promise<Chain>;
  readonly onProgress?: (done: number, of: number) => void;
}

/** What came of it. */
export type Verdict =
  | {
      readonly holds: true;
      readonly first: number;
      readonly last: number;
      readonly signedAt: string;
      readonly keyId: string;
      /** False where the browser has no Ed25519: the hashes hold, and nobody checked who signed them. */
      readonly signatureChecked: boolean;
      /** Entries that are shown and newer than the newest signature. */
      readonly unsigned: number;
    }
  | { readonly holds: false; readonly at: number; readonly what: string };

const encoder = new TextEncoder();
const KEY_ID_DIGITS = 16;

/** Walks from `after` to the newest signed head. Throws only what `load` throws. */
export async function verifyChain(verification: Verification): Promise<Verdict> {
  const { after, onProgress, shown, tenant } = verification;
  const seen = new Map(shown.map((event) => [event.sequence, event]));
  let page = await verification.load(after);
  const head = page.signed_head === null ? undefined : readHead(page.signed_head);
  if (page.signed_head === null) return broken(after + 1, "no head was signed yet; try again in a second");
  if (head === undefined || head.tenant !== tenant) return broken(after + 1, "the signed head is not readable");
  const checked = await checkSignature(head, page.public_key);
  if (checked === "forged") return broken(head.size, "the signature of the head is not genuine");
  if (head.size <= after)
    return broken(after, "these entries are newer than the newest signature; try again in a second");
  let previous = after === 0 ? await emptyChain(tenant) : bytesOf(page.previous_hash ?? "");
  if (previous.length === 0) return broken(after, "the entry before these is missing");
  let at = after;
  while (at < head.size) {
    if (page.entries.length === 0) return broken(at + 1, "the log ends before what was signed");
    for (const { hash: stored, leaf, sequence } of page.entries) {
      if (at === head.size) break;
      at += 1;
      if (sequence !== at) return broken(at, "this entry is missing");
      previous = await chainOn(previous, leaf);
      if (hexOf(previous) !== stored) return broken(at, "this entry is not what was chained");
      if (!leafFits(leaf, tenant, seen.get(at))) return broken(at, "the entry shown is not the one that was chained");
    }
    onProgress?.(at - after, head.size - after);
    if (at < head.size) page = await verification.load(at);
  }
  if (hexOf(previous) !== head.hex) return broken(head.size, "the entries are not those whose head was signed");
  return {
    holds: true,
    first: after + 1,
    last: head.size,
    signedAt: head.time,
    keyId: head.keyId,
    signatureChecked: checked === "genuine",
    unsigned: shown.filter(({ sequence }) => sequence > head.size).length,
  };
}

function broken(at: number, what: string): Verdict {
  return { holds: false, at, what };
}

/** h(0): holds the tenant, so that no stretch of one tenant's chain fits into another's. */
export async function emptyChain(tenant: string): Promise<Uint8Array<ArrayBuffer>> {
  return await digest([2], encoder.encode(tenant));
}

/** h(n) = SHA-256(0x01 || h(n-1) || SHA-256(0x00 || leaf)). */
export async function chainOn(previous: Uint8Array, leaf: string): Promise<Uint8Array<ArrayBuffer>> {
  return await digest([1], previous, await digest([0], encoder.encode(leaf)));
}

async function digest(...parts: readonly (Uint8Array | readonly number[])[]): Promise<Uint8Array<ArrayBuffer>> {
  const all = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return new Uint8Array(await crypto.subtle.digest("SHA-256", all));
}

async function checkSignature(head: Head, publicKey: string): Promise<"genuine" | "forged" | "unsupported"> {
  const key = bytesOfBase64(publicKey);
  if (key === undefined || hexOf(await digest(key)).slice(0, KEY_ID_DIGITS) !== head.keyId) return "forged";
  const signed = bytesOfBase64(head.signed.replaceAll("-", "+").replaceAll("_", "/"));
  if (signed === undefined) return "forged";
  let imported: CryptoKey;
  try {
    imported = await crypto.subtle.importKey("spki", key, { name: "Ed25519" }, false, ["verify"]);
  } catch (error) {
    // A browser without Ed25519 says so by this name; a key that is none is something else.
    if (error instanceof Error && error.name === "NotSupportedError") return "unsupported";
    return "forged";
  }
  const genuine = await crypto.subtle.verify({ name: "Ed25519" }, imported, signed, encoder.encode(signedText(head)));
  return genuine ? "genuine" : "forged";
}

/** Whether a leaf is of this tenant, and says what is shown of it. */
function leafFits(leaf: string, tenant: string, shown: AuditEvent | undefined): boolean {
  let value: unknown;
  try {
    value = JSON.parse(leaf);
  } catch {
    return false;
  }
  if (typeof value !== "object" || value === null) return false;
  // A parse boundary: each is compared below.
  const { action, event, facts, outcome, request, targets, tenant: whose, time } = value as Record<string, unknown>;
  if (whose !== tenant) return false;
  if (shown === undefined) return true;
  return (
    event === shown.event &&
    action === shown.action &&
    outcome === shown.outcome &&
    time === shown.at &&
    (request ?? null) === shown.request_id &&
    sorted(targets) === sorted(shown.targets) &&
    sorted(facts) === sorted(shown.facts)
  );
}

/** JSON with its keys in order, so that two texts are the same when the values are. */
function sorted(value: unknown): string {
  return JSON.stringify(value, (_, part: unknown) =>
    typeof part === "object" && part !== null && !Array.isArray(part)
      ? Object.fromEntries(Object.entries(part).sort(([left], [right]) => (left < right ? -1 : 1)))
      : part,
  );
}

function hexOf(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

function bytesOf(hex: string): Uint8Array<ArrayBuffer> {
  const pairs = /^(?:[0-9a-f]{2})*$/.test(hex) ? (hex.match(/../g) ?? []) : [];
  return Uint8Array.from(pairs, (pair) => Number.parseInt(pair, 16));
}

function bytesOfBase64(text: string): Uint8Array<ArrayBuffer> | undefined {
  try {
    return Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
  } catch {
    return undefined;
  }
}
