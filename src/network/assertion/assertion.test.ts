import { generateKeyPairSync } from "node:crypto";
import { createLocalJWKSet, SignJWT } from "jose";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { RingwallError, type SessionId, type TenantId, type UserId } from "../../core/index.ts";
import { type SecretsStage, secretsStage } from "../../testing/secrets-stage.ts";
import type { Asserted } from "./claims.ts";
import { type AssertionKeys, assertionSigner, assertionVerifier, openAssertionKeys, remoteKeys } from "./index.ts";

const DAY_SECONDS = 86_400;
const ID = "0198c1a0-0000-7000-8000-000000000001";
const purpose = { audience: "bank", method: "GET", target: "/x?y=1" };
const asserted: Asserted = {
  person: {
    tenant: "bank" as TenantId,
    user: ID as UserId,
    session: ID as SessionId,
    role: "owner",
    aal: 2,
    secondFactorMs: 1_700_000_000_000,
    tier: 1,
  },
  address: "192.0.2.1",
  https: true,
  requestId: ID,
};

let stage: SecretsStage;
let clock: () => number;
let keys: AssertionKeys;
beforeAll(async () => {
  stage = await secretsStage();
  clock = () => stage.db.clock() + stage.time.aheadMs;
  keys = await openAssertionKeys({ secrets: stage.node(), clock, keySeconds: DAY_SECONDS });
});
afterAll(async () => {
  await stage.close();
});

const sign = (over: Partial<typeof purpose> = {}): string =>
  assertionSigner({ keys, clock, lifeSeconds: 30 })(asserted, { ...purpose, ...over });
const verifier = (at: () => number = clock, from: Pick<AssertionKeys, "keySet"> = keys) =>
  assertionVerifier({
    audience: "bank",
    clock: at,
    keys: async (...args) => await createLocalJWKSet(from.keySet())(...args),
  });
const refusal = async (work: Promise<unknown>): Promise<unknown> =>
  await work.then(
    () => "accepted",
    (error: unknown) => (error instanceof RingwallError ? error.detail["reason"] : error),
  );

describe("an assertion", () => {
  test("says what was signed, once", async () => {
    const verify = verifier();
    const text = sign();
    expect(await verify(text, purpose)).toEqual(asserted);
    expect(await refusal(verify(text, purpose))).toBe("used_before");
    expect(text.length).toBeLessThan(1_200);
  });

  test("of nobody names nobody", async () => {
    const text = assertionSigner({ keys, clock, lifeSeconds: 30 })({ ...asserted, person: undefined }, purpose);
    expect(await verifier()(text, purpose)).toEqual({ ...asserted, person: undefined });
  });

  test("is for its own route, method and target alone", async () => {
    expect(await refusal(verifier()(sign({ audience: "other" }), purpose))).toBe("ERR_JWT_CLAIM_VALIDATION_FAILED");
    expect(await refusal(verifier()(sign(), { ...purpose, method: "POST" }))).toBe("method");
    expect(await refusal(verifier()(sign(), { ...purpose, target: "/x?y=2" }))).toBe("target");
  });

  test("is over after its life, with five seconds for clocks that differ", async () => {
    const at = (ms: number) => (): number => clock() + ms;
    const text = sign();
    expect(await refusal(verifier(at(34_000))(text, purpose))).toBe("accepted");
    expect(await refusal(verifier(at(37_000))(text, purpose))).toBe("ERR_JWT_EXPIRED");
    expect(await refusal(verifier(at(-4_000))(text, purpose))).toBe("accepted");
    expect(await refusal(verifier(at(-10_000))(text, purpose))).toBe("from_the_future");
  });

  test("signed by somebody else, unsigned, of another type or longer life is refused", async () => {
    const strange = generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey;
    const { kid } = keys.signing();
    const claims = JSON.parse(Buffer.from(sign().split(".")[1] ?? "", "base64url").toString()) as Record<
      string,
      unknown
    >;
    const made = async (
      header: object,
      payload: Record<string, unknown>,
      key: Parameters<SignJWT["sign"]>[0],
    ): Promise<string> =>
      await new SignJWT(payload)
        .setProtectedHeader({ alg: "ES256", typ: "rw-assertion+jwt", kid, ...header })
        .sign(key);
    const reason = async (text: string): Promise<unknown> => await refusal(verifier()(text, purpose));
    expect(await reason(await made({}, claims, strange))).toBe("ERR_JWS_SIGNATURE_VERIFICATION_FAILED");
    expect(await reason(await made({ kid: "unknown" }, claims, strange))).toBe("ERR_JWKS_NO_MATCHING_KEY");
    const own = keys.signing().key;
    expect(await reason(await made({ typ: "JWT" }, claims, own))).toBe("ERR_JWT_CLAIM_VALIDATION_FAILED");
    expect(await reason(await made({}, { ...claims, exp: Number(claims["iat"]) + 3_600 }, own))).toBe("life");
    expect(await reason(await made({}, { ...claims, role: "root" }, own))).toBe("claims");
    const { sub: _, ...headless } = claims;
    expect(await reason(await made({}, headless, own))).toBe("claims");
    const [, payload = ""] = sign().split(".");
    const none = Buffer.from(JSON.stringify({ alg: "none", typ: "rw-assertion+jwt" })).toString("base64url");
    expect(await reason(`${none}.${payload}.`)).toBe("ERR_JOSE_ALG_NOT_ALLOWED");
    expect(await reason("x".repeat(5_000))).toBe("length");
  });
});

test("keys that cannot be read are our failure, and let nobody in", async () => {
  const verify = assertionVerifier({ audience: "bank", clock, keys: remoteKeys("http://127.0.0.1:9/keys") });
  await expect(verify(sign(), purpose)).rejects.toMatchObject({ code: "keys.unavailable" });
});

describe("the signing keys", () => {
  test("are one set for all nodes, and never shown whole", async () => {
    const other = await openAssertionKeys({ secrets: stage.node(), clock, keySeconds: DAY_SECONDS });
    expect(other.keySet()).toEqual(keys.keySet());
    expect(JSON.stringify(keys.keySet())).not.toContain('"d"');
  });

  test("rotate with an overlap: the next is shown before it signs, the last until what it signed is over", async () => {
    const node = await openAssertionKeys({ secrets: stage.node(), clock, keySeconds: DAY_SECONDS });
    const first = node.signing().kid;
    stage.time.aheadMs += DAY_SECONDS * 1_000 - 1_200_000;
    await node.refresh();
    expect([node.signing().kid, node.keySet().keys.length]).toEqual([first, 2]);
    const early = assertionSigner({ keys: node, clock, lifeSeconds: 30 })(asserted, purpose);
    expect(await refusal(verifier(clock, node)(early, purpose))).toBe("accepted");
    stage.time.aheadMs += 1_199_000;
    const next = node.signing().kid;
    expect(next).not.toBe(first);
    stage.time.aheadMs += 30_000;
    expect(node.keySet().keys.map(({ kid }) => kid)).toContain(first);
    stage.time.aheadMs += 120_000;
    expect(node.keySet().keys.map(({ kid }) => kid)).toEqual([next]);
  });

  test("past their time sign nothing until there is a new one", async () => {
    const node = await openAssertionKeys({ secrets: stage.node(), clock, keySeconds: DAY_SECONDS });
    stage.time.aheadMs += 3 * DAY_SECONDS * 1_000;
    expect(() => node.signing()).toThrow("not available");
    expect(node.keySet().keys).toEqual([]);
    await node.refresh();
    expect(node.keySet().keys).toHaveLength(1);
    expect(node.signing().kid).toHaveLength(22);
  });

  test("can be exchanged at once; what the old one signed is good for as long as it lives", async () => {
    const node = await openAssertionKeys({ secrets: stage.node(), clock, keySeconds: DAY_SECONDS });
    const old = node.signing().kid;
    const text = assertionSigner({ keys: node, clock, lifeSeconds: 30 })(asserted, purpose);
    await node.rotate();
    expect(node.signing().kid).not.toBe(old);
    expect(await refusal(verifier(clock, node)(text, purpose))).toBe("accepted");
    stage.time.aheadMs += 121_000;
    expect(node.keySet().keys.map(({ kid }) => kid)).not.toContain(old);
  });

  test("of two nodes that make one at once, one wins", async () => {
    stage.time.aheadMs += 3 * DAY_SECONDS * 1_000;
    const open = async (): Promise<AssertionKeys> =>
      await openAssertionKeys({ secrets: stage.node(), clock, keySeconds: DAY_SECONDS });
    const [left, right] = await Promise.all([open(), open()]);
    expect(left.keySet()).toEqual(right.keySet());
    expect(left.keySet().keys).toHaveLength(1);
  });
});
