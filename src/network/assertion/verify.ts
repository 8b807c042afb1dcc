import { createRemoteJWKSet, type JWTVerifyGetKey, jwtVerify } from "jose";
import { type Clock, RingwallError } from "../../core/index.ts";
import {
  ALGORITHM,
  type Asserted,
  type AssertionPurpose,
  assertedOf,
  Claims,
  ISSUER,
  LIFE_SECONDS_MAX,
  TOKEN_TYPE,
  targetDigest,
} from "./claims.ts";

/** Clocks of machines that run ntp differ by less than a second; a leap or a slow answer adds some. */
const SKEW_SECONDS = 5;
/** A signed assertion with all claims has about 800 characters. */
const ASSERTION_CHARS_MAX = 2_048;
/** Assertions remembered in each of two generations, so that each counts once. 20,000 a second for a minute do not fit. */
const REMEMBERED_MAX = 524_288;
const GENERATION_MS = (LIFE_SECONDS_MAX + 2 * SKEW_SECONDS) * 1_000;
/** The gateway shows a key a quarter of an hour before it signs; an unknown one is asked for twice a minute at most. */
const KEY_SET_AGE_MS = 300_000;
const KEY_SET_PAUSE_MS = 30_000;
const KEY_SET_TIMEOUT_MS = 5_000;

/** What jose and fetch report when the key set itself cannot be read; `unknown` is an error without a code. */
const UNREADABLE_KEYS: ReadonlySet<string> = new Set([
  "unknown",
  "ERR_JOSE_GENERIC",
  "ERR_JWKS_INVALID",
  "ERR_JWKS_TIMEOUT",
]);

/** Checks one assertion. @throws RingwallError `access.denied`, with the reason in the detail, and `keys.unavailable` */
export type AssertionVerifier = (
  assertion: string,
  asked: { readonly method: string; readonly target: string },
) => Promise<Asserted>;

/** What an application knows about its gateway. */
export interface VerifierOptions {
  /** The route's name at the gateway: what was made for another route is refused. */
  readonly audience: AssertionPurpose["audience"];
  /** The gateway's key set: `remoteKeys(url)`, or jose's `createLocalJWKSet`. */
  readonly keys: JWTVerifyGetKey;
  readonly clock: Clock;
}

/** The gateway's key set, read over HTTP and kept for five minutes. @param url - `.../.well-known/ringwall/jwks.json` */
export function remoteKeys(url: string): JWTVerifyGetKey {
  return createRemoteJWKSet(new URL(url), {
    cacheMaxAge: KEY_SET_AGE_MS,
    cooldownDuration: KEY_SET_PAUSE_MS,
    timeoutDuration: KEY_SET_TIMEOUT_MS,
  });
}

/**
 * Makes the check of assertions for an application behind the gateway.
 *
 * Takes one algorithm, one type, one issuer and one audience; the method and the request target must be those that were
 * signed; the whole life is at most a minute, and each assertion is taken once. Whether the connection may carry
 * assertions at all is the caller's to say, who knows the socket.
 */
export function assertionVerifier({ audience, clock, keys }: VerifierOptions): AssertionVerifier {
  const firstUse = onceOnly(clock);
  return async (assertion, { method, target }) => {
    if (assertion.length > ASSERTION_CHARS_MAX) throw refused("length");
    const claims = await checked(assertion, keys, audience, clock());
    if (claims.exp - claims.iat > LIFE_SECONDS_MAX) throw refused("life");
    if (claims.iat > Math.ceil(clock() / 1_000) + SKEW_SECONDS) throw refused("from_the_future");
    if (claims.htm !== method) throw refused("method");
    if (claims.hth !== targetDigest(target)) throw refused("target");
    // Last, so that nobody uses up an assertion that was not theirs to use.
    if (!firstUse(claims.jti)) throw refused("used_before");
    return assertedOf(claims);
  };
}

async function checked(assertion: string, keys: JWTVerifyGetKey, audience: string, nowMs: number): Promise<Claims> {
  let payload: unknown;
  try {
    ({ payload } = await jwtVerify(assertion, keys, {
      algorithms: [ALGORITHM],
      typ: TOKEN_TYPE,
      issuer: ISSUER,
      audience,
      clockTolerance: SKEW_SECONDS,
      currentDate: new Date(nowMs),
      requiredClaims: ["exp", "iat", "jti"],
    }));
  } catch (cause) {
    const code = cause instanceof Error && "code" in cause ? String(cause.code) : "unknown";
    // No word on the assertion: the keys could not be had, and nobody is let in without them.
    if (UNREADABLE_KEYS.has(code)) throw new RingwallError("keys.unavailable", { detail: { reason: code }, cause });
    throw new RingwallError("access.denied", { detail: { rule: "assertion", reason: code }, cause });
  }
  const claims = Claims.safeParse(payload);
  if (!claims.success) throw refused("claims");
  return claims.data;
}

/** Remembers what was used, in two generations, each as long as any assertion lives. */
function onceOnly(clock: Clock): (jti: string) => boolean {
  let [present, past] = [new Set<string>(), new Set<string>()];
  let endsMs = clock() + GENERATION_MS;
  return (jti) => {
    const nowMs = clock();
    if (nowMs >= endsMs) {
      past = nowMs >= endsMs + GENERATION_MS ? new Set() : present;
      present = new Set();
      endsMs = nowMs + GENERATION_MS;
    }
    if (present.has(jti) || past.has(jti)) return false;
    // What cannot be remembered cannot be taken once, and so is not taken.
    if (present.size >= REMEMBERED_MAX) throw new RingwallError("counters.unavailable", { detail: { what: "jti" } });
    present.add(jti);
    return true;
  };
}

function refused(reason: string): RingwallError {
  return new RingwallError("access.denied", { detail: { rule: "assertion", reason } });
}
