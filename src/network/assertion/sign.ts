import { CompactSign } from "jose";
import { assert, type Clock, randomToken } from "../../core/index.ts";
import {
  ALGORITHM,
  type Asserted,
  type AssertionPurpose,
  ISSUER,
  LIFE_SECONDS_MAX,
  TOKEN_TYPE,
  targetDigest,
} from "./claims.ts";
import type { AssertionKeys } from "./keys.ts";

const JTI_BYTES = 16;

/** Signs what the gateway found out about one request, for one upstream. */
export type AssertionSigner = (asserted: Asserted, purpose: AssertionPurpose) => Promise<string>;

/**
 * Makes the signer.
 * @param options.lifeSeconds - At most 60; the clocks of gateway and application differ by less.
 */
export function assertionSigner(options: {
  readonly keys: Pick<AssertionKeys, "signing">;
  readonly clock: Clock;
  readonly lifeSeconds: number;
}): AssertionSigner {
  const { clock, keys, lifeSeconds } = options;
  assert(lifeSeconds > 0 && lifeSeconds <= LIFE_SECONDS_MAX, "an assertion lives a minute at most");
  return async ({ address, https, person, requestId }, { audience, method, target }) => {
    const { key, kid } = keys.signing();
    const iat = Math.floor(clock() / 1_000);
    const who =
      person === undefined
        ? { tier: 0 }
        : {
            tenant: person.tenant,
            sub: person.user,
            sid: person.session,
            role: person.role,
            aal: person.aal,
            ...(person.secondFactorMs === undefined ? {} : { mfa_ms: Math.floor(person.secondFactorMs) }),
            tier: person.tier,
          };
    const claims = {
      ...who,
      iss: ISSUER,
      aud: audience,
      iat,
      exp: iat + lifeSeconds,
      jti: randomToken(JTI_BYTES),
      htm: method,
      hth: targetDigest(target),
      addr: address,
      https,
      rid: requestId,
    };
    // Every claim is ours and written out, so the builder of tokens would only copy it.
    return await new CompactSign(Buffer.from(JSON.stringify(claims)))
      .setProtectedHeader({ alg: ALGORITHM, typ: TOKEN_TYPE, kid })
      .sign(key);
  };
}
