import { createHash } from "node:crypto";
import { z } from "zod";
import { isTenantId, isUuid, type SessionId, type TenantId, type UserId } from "../../core/index.ts";

/** The header that carries an assertion, in lower case as Node names it. */
export const ASSERTION_HEADER = "x-ringwall-assertion";
export const ISSUER = "urn:ringwall:gateway";
export const ALGORITHM = "ES256";
/** So that a token made for something else is never taken for an assertion (RFC 8725, section 3.11). */
export const TOKEN_TYPE = "rw-assertion+jwt";
/** Rule 14. */
export const LIFE_SECONDS_MAX = 60;

/** Somebody the gateway knows, as an assertion names them. */
export interface AssertedPerson {
  readonly tenant: TenantId;
  readonly user: UserId;
  readonly session: SessionId;
  readonly role: "viewer" | "editor" | "admin" | "owner";
  readonly aal: 1 | 2;
  readonly secondFactorMs: number | undefined;
  readonly tier: 0 | 1 | 2 | 3 | 4;
}

/** What the gateway found out about one request: who, if anybody; from where; under which id. */
export interface Asserted {
  readonly person: AssertedPerson | undefined;
  readonly address: string;
  readonly https: boolean;
  readonly requestId: string;
}

/** What an assertion is for: it is worth nothing at another route, method or address. */
export interface AssertionPurpose {
  /** The route's name. */
  readonly audience: string;
  readonly method: string;
  /** The request target as it stands in the request line. */
  readonly target: string;
}

const person = {
  tenant: z.string().refine(isTenantId),
  sub: z.string().refine(isUuid),
  sid: z.string().refine(isUuid),
  role: z.enum(["viewer", "editor", "admin", "owner"]),
  aal: z.union([z.literal(1), z.literal(2)]),
  mfa_ms: z.int().nonnegative().optional(),
  tier: z.union([z.literal(1), z.literal(2), z.literal(3), z.literal(4)]),
};
const envelope = {
  iss: z.literal(ISSUER),
  aud: z.string().min(1).max(64),
  iat: z.int(),
  exp: z.int(),
  jti: z.string().length(22),
  /** Method, and SHA-256 of the request target in base64url: a fixed length, whatever was asked for. */
  htm: z.string().min(1).max(10),
  hth: z.string().length(43),
  addr: z.string().max(64),
  https: z.boolean(),
  rid: z.string().refine(isUuid),
};

/** Strict in both forms: claims of a person come together or not at all. */
export const Claims = z.union([
  z.strictObject({ ...envelope, ...person }),
  z.strictObject({ ...envelope, tier: z.literal(0) }),
]);
export type Claims = z.output<typeof Claims>;

/** The request target's name in an assertion. */
export function targetDigest(target: string): string {
  return createHash("sha256").update(target, "latin1").digest("base64url");
}

/** What checked claims say, in our own words. */
export function assertedOf(claims: Claims): Asserted {
  const from = { address: claims.addr, https: claims.https, requestId: claims.rid };
  if (!("sub" in claims)) return { ...from, person: undefined };
  const { aal, mfa_ms: secondFactorMs, role, sid, sub, tenant, tier } = claims;
  // The forms were checked by the schema.
  const ids = { tenant, user: sub as UserId, session: sid as SessionId };
  return { ...from, person: { ...ids, role, aal, secondFactorMs, tier } };
}
