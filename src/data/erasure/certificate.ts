import { createPrivateKey, createPublicKey, hash, type KeyObject, sign, verify } from "node:crypto";
import { z } from "zod";
import { isTenantId, isUuid, RingwallError, type TenantId } from "../../core/index.ts";

/** What an order may hold of a person's own words. */
export const REASON_CHARS_MAX = 500;
const LINE_CHARS_MAX = 262_144;

const Tenant = z.custom<TenantId>(isTenantId);
const Id = z.custom<string>(isUuid);
const KeyId = z.string().regex(/^[0-9a-f]{16}$/);
const ordered = {
  id: Id,
  subject: z.enum(["tenant", "row", "person"]),
  tenant: Tenant,
  /** The table of a row; empty for the others. */
  place: z.string().max(200),
  /** The id of the row or of the user; empty for a tenant. */
  name: z.string().max(200),
  reason: z.string().min(1).max(REASON_CHARS_MAX),
  approver: z.string().min(1).max(200),
  ordered_at: z.iso.datetime(),
  /** Later versions of the audit key seal what is recorded about an erased tenant, and stay. */
  audit_version: z.int().min(0),
};

// The order of the fields is the order of the signed text.
const Order = z.strictObject({ schema: z.literal("ringwall.erasure.order.1"), key: KeyId, ...ordered });
const Certificate = z.strictObject({
  schema: z.literal("ringwall.erasure.certificate.1"),
  key: KeyId,
  ...ordered,
  erased_at: z.iso.datetime(),
  /** What was destroyed: each key's place, and the commitment that names it without telling it. */
  destroyed: z.array(
    z.strictObject({ purpose: z.string(), version: z.int(), commitment: z.string().regex(/^[0-9a-f]{64}$/) }),
  ),
  rows: z.int(),
  details: z.int(),
  /** Rows of a person's account, sessions, factors and links that were emptied or deleted. */
  accounts: z.int().optional(),
});

/** Somebody with the right to it wants something erased. Signed and kept outside the database before anything is. */
export type ErasureOrder = z.output<typeof Order>;
/** What came of an order. */
export type ErasureCertificate = z.output<typeof Certificate>;
type Statement = ErasureOrder | ErasureCertificate;
type Unsigned<Signed extends Statement> = Omit<Signed, "key" | "schema">;

/** Signs orders and certificates with a key that is not in the database. */
export interface ErasureSigner {
  readonly publicKey: KeyObject;
  order(fields: Unsigned<ErasureOrder>): string;
  certificate(fields: Unsigned<ErasureCertificate>): string;
}

/** @throws RingwallError `config.invalid` when it is no Ed25519 private key in PEM; the text is never part of the message. */
export function erasureSigner(privateKeyPem: string): ErasureSigner {
  let privateKey: KeyObject;
  try {
    privateKey = createPrivateKey(privateKeyPem);
  } catch {
    throw new RingwallError("config.invalid", { message: "the erasure signing key is not a PEM private key" });
  }
  const publicKey = createPublicKey(privateKey);
  const key = keyIdOf(publicKey);
  const seal = (statement: Statement): string => {
    const body = JSON.stringify(statement);
    const signature = sign(null, Buffer.from(body), privateKey).toString("base64url");
    return `${body.slice(0, -1)},"signature":"${signature}"}`;
  };
  return {
    publicKey,
    order: (fields) => seal(Order.parse({ schema: "ringwall.erasure.order.1", key, ...fields })),
    certificate: (fields) => seal(Certificate.parse({ schema: "ringwall.erasure.certificate.1", key, ...fields })),
  };
}

/** An order or a certificate that one of `trusted` signed, letter by letter; undefined for anything else. */
export function readStatement(line: string, trusted: readonly KeyObject[]): Statement | undefined {
  if (line.length > LINE_CHARS_MAX) return undefined;
  const tail = /,"signature":"([A-Za-z0-9_-]{86})"\}$/.exec(line);
  if (tail === null) return undefined;
  const body = `${line.slice(0, tail.index)}}`;
  const statement = parseBody(body);
  if (statement === undefined) return undefined;
  const signature = Buffer.from(tail[1] ?? "", "base64url");
  const isSigned = trusted.some(
    (key) => keyIdOf(key) === statement.key && verify(null, Buffer.from(body), key, signature),
  );
  return isSigned && signature.toString("base64url") === tail[1] ? statement : undefined;
}

function parseBody(body: string): Statement | undefined {
  let value: unknown;
  try {
    value = JSON.parse(body);
  } catch {
    return undefined;
  }
  const parsed = z.discriminatedUnion("schema", [Order, Certificate]).safeParse(value);
  // One statement has one spelling: another order, space or a field twice is not something that was signed here.
  return parsed.success && JSON.stringify(parsed.data) === body ? parsed.data : undefined;
}

/** The first 16 hex digits of the SHA-256 of the public half (SPKI DER). */
function keyIdOf(publicKey: KeyObject): string {
  if (publicKey.type !== "public" || publicKey.asymmetricKeyType !== "ed25519") {
    throw new RingwallError("config.invalid", { message: "the erasure key must be an Ed25519 key" });
  }
  return hash("sha256", publicKey.export({ type: "spki", format: "der" }), "hex").slice(0, 16);
}
