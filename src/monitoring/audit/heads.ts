import { createPrivateKey, createPublicKey, hash, type KeyObject, sign, verify } from "node:crypto";
import { assert, isTenantId, RingwallError, type TenantId } from "../../core/index.ts";

// One byte in front keeps the three kinds of hash input apart, as RFC 6962 (section 2.1) does for leaf and node: without
// it, a leaf that looks like a link could stand for one.
const LEAF = Buffer.of(0x00);
const LINK = Buffer.of(0x01);
const EMPTY = Buffer.of(0x02);

export const HASH_BYTES = 32;

/** h(0) of a tenant's chain. Holds the tenant, so that no stretch of one tenant's chain fits into another's. */
export function emptyChain(tenant: TenantId): Buffer {
  return hash("sha256", Buffer.concat([EMPTY, Buffer.from(tenant)]), "buffer");
}

/** h(n) = SHA-256(0x01 || h(n-1) || SHA-256(0x00 || leaf)). `leaf` is hashed as the UTF-8 bytes that are stored. */
export function chainOn(previous: Buffer, leaf: string): Buffer {
  const leafHash = hash("sha256", Buffer.concat([LEAF, Buffer.from(leaf)]), "buffer");
  return hash("sha256", Buffer.concat([LINK, previous, leafHash], 1 + 2 * HASH_BYTES), "buffer");
}

/** How far a tenant's chain goes, and what it hashes to there. */
export interface Head {
  readonly tenant: TenantId;
  /** Number of entries; the last one is #size. */
  readonly size: number;
  readonly hash: Buffer;
}

/** A head with the time and signature of the key outside the database. */
export interface SignedHead extends Head {
  /** RFC 3339, as the sequencer's clock had it. */
  readonly time: string;
  readonly keyId: string;
  readonly signature: Buffer;
}

/** Holds the private key that signs heads. Never inside the database, whose owner the signatures are there to catch. */
export interface HeadSigner {
  /** Names the key in each head: the first 16 hex digits of the SHA-256 of its public half (SPKI DER). */
  readonly keyId: string;
  sign(message: Buffer): Buffer;
}

// What the signature is over starts with this, so that a signature made for anything else never passes for a head.
const SCHEMA = "ringwall.audit.head.1";
const HEAD_LINE_MAX = 1_024; // A line with the longest tenant id has under 400 characters.
const SIGNATURE_BYTES = 64;

/** The signed bytes: canonical JSON (RFC 8785) with the keys in order and no value that needs escaping. */
function signedBytes(head: Omit<SignedHead, "signature">): Buffer {
  const { tenant, size, time, keyId } = head;
  assert(isTenantId(tenant) && Number.isSafeInteger(size) && size > 0, "a head names a tenant and a size");
  return Buffer.from(
    `{"hash":"${head.hash.toString("hex")}","key":"${keyId}","schema":"${SCHEMA}","size":${size},"tenant":"${tenant}","time":"${time}"}`,
  );
}

/** Signs a head with a key that is not in the database. */
export function signHead(signer: HeadSigner, head: Head, time: string): SignedHead {
  const unsigned = { tenant: head.tenant, size: head.size, hash: head.hash, time, keyId: signer.keyId };
  return { ...unsigned, signature: signer.sign(signedBytes(unsigned)) };
}

/** One line of JSON, the form heads have in the database and in copies. */
export function formatHead(head: SignedHead): string {
  const body = signedBytes(head).toString();
  return `${body.slice(0, -1)},"signature":"${head.signature.toString("base64url")}"}`;
}

/** Reads what `formatHead` wrote, and nothing else. `undefined` for any other text; the signature is not checked here. */
export function parseHead(line: string): SignedHead | undefined {
  if (line.length > HEAD_LINE_MAX) return undefined;
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    return undefined;
  }
  if (typeof value !== "object" || value === null) return undefined;
  const { hash: hex, key, size, tenant, time, signature } = value as Record<string, unknown>; // A parse boundary: each is checked below.
  if (!isTenantId(tenant) || typeof size !== "number" || !Number.isSafeInteger(size) || size < 1) return undefined;
  if (typeof hex !== "string" || typeof key !== "string" || typeof time !== "string") return undefined;
  if (typeof signature !== "string") return undefined;
  const head = {
    tenant,
    size,
    hash: Buffer.from(hex, "hex"),
    time,
    keyId: key,
    signature: Buffer.from(signature, "base64url"),
  };
  if (head.hash.length !== HASH_BYTES || head.signature.length !== SIGNATURE_BYTES) return undefined;
  // One head has one spelling: another order, space or escape is not something we wrote.
  return formatHead(head) === line ? head : undefined;
}

/** Says whether a head was signed by one of the keys that are trusted. A head of an unknown key is not. */
export class HeadVerifier {
  readonly #keys: ReadonlyMap<string, KeyObject>;

  constructor(publicKeys: readonly KeyObject[]) {
    this.#keys = new Map(publicKeys.map((key) => [keyIdOf(key), key]));
  }

  accepts(head: SignedHead): boolean {
    const key = this.#keys.get(head.keyId);
    return key !== undefined && verify(null, signedBytes(head), key, head.signature);
  }
}

function keyIdOf(publicKey: KeyObject): string {
  if (publicKey.type !== "public" || publicKey.asymmetricKeyType !== "ed25519") {
    throw new RingwallError("config.invalid", { message: "the audit key must be an Ed25519 key" });
  }
  return hash("sha256", publicKey.export({ type: "spki", format: "der" }), "hex").slice(0, 16);
}

/** A signer over a private key in this process, and the public half that verifies what it signs. */
export function headSigner(privateKeyPem: string): HeadSigner & { readonly publicKey: KeyObject } {
  let privateKey: KeyObject;
  try {
    privateKey = createPrivateKey(privateKeyPem);
  } catch {
    // The parser's own message may quote what it read; that is a private key.
    throw new RingwallError("config.invalid", { message: "the audit signing key is not a PEM private key" });
  }
  const publicKey = createPublicKey(privateKey);
  return { keyId: keyIdOf(publicKey), publicKey, sign: (message) => sign(null, message, privateKey) };
}
