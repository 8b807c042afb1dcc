import { describe, expect, test } from "vitest";
import { type Actor, PlainSecret } from "../../core/index.ts";
import { secretKey } from "../../data/secrets/index.ts";
import { startOpenBao } from "../../testing/sealing/openbao.ts";
import { pythonPeer } from "../../testing/sealing/python-peers.ts";
import { CONTRACT_TENANTS, secretStoreContract } from "../../testing/secrets/store-contract.ts";
import { type KvOptions, openBaoSecretStore } from "./index.ts";

const peer = pythonPeer("bao");
const MISSING = "missing" in peer ? peer.missing : undefined;
const RUNS = 20;
const [tenant] = CONTRACT_TENANTS;
const ACTOR: Actor = { type: "service", tenant, name: "bank" };
const POLICY = `path "secret/data/ringwall/*" { capabilities = ["create", "read", "update"] }`;

async function stage() {
  const bao = await startOpenBao("path" in peer ? peer.path : "");
  await bao.api("POST", "sys/mounts/secret", { type: "kv", options: { version: "2" } });
  await bao.api("POST", "sys/policies/acl/secrets", { policy: POLICY });
  await bao.api("POST", "sys/auth/approle", { type: "approle" });
  await bao.api("POST", "auth/approle/role/secrets", { token_policies: ["secrets"], token_ttl: "60s" });
  const named = (await bao.api("GET", "auth/approle/role/secrets/role-id")) as { data: { role_id: string } };
  const secret = (await bao.api("POST", "auth/approle/role/secrets/secret-id")) as { data: { secret_id: string } };
  const time = { nowMs: 0 };
  const open = (changes: Partial<KvOptions> = {}) =>
    openBaoSecretStore({
      url: bao.url,
      ca: bao.ca,
      tlsMinimum: "TLSv1.3",
      mount: "secret",
      prefix: "ringwall",
      clock: () => time.nowMs,
      credential: {
        kind: "approle",
        mount: "approle",
        roleId: named.data.role_id,
        secretId: async () => new PlainSecret(secret.data.secret_id),
      },
      ...changes,
    });
  return { bao, time, open };
}

describe.skipIf(MISSING !== undefined)(`KV of OpenBao ${MISSING ?? ""}`, () => {
  secretStoreContract(
    "KV of OpenBao",
    async () => {
      const { bao, open } = await stage();
      // The engine sets itself up for a moment after it was mounted.
      await new Promise((resolve) => setTimeout(resolve, 2_000));
      return {
        store: open(),
        tenants: CONTRACT_TENANTS,
        actor: ACTOR,
        reopen: async () => open(),
        outage: { begin: () => bao.kill(), end: () => bao.start(), code: "secrets.unavailable" },
        close: () => bao.close(),
      };
    },
    RUNS,
  );

  test("a token is replaced before its end and after it was revoked; a refusal is told from a missing secret", async () => {
    const { bao, time, open } = await stage();
    try {
      await new Promise((resolve) => setTimeout(resolve, 2_000));
      const store = open();
      const key = secretKey(tenant, "database/password");
      await store.write(key, new PlainSecret("canary"), { actor: ACTOR });
      time.nowMs = 41_000;
      expect((await store.read(key, ACTOR))?.value.open()).toBe("canary");
      await bao.api("POST", "sys/leases/revoke-force/auth/approle/login");
      expect((await store.read(key, ACTOR))?.value.open()).toBe("canary");
      await bao.api("POST", "secret/delete/ringwall/alpha-bank/database/password", { versions: [1] });
      expect(await store.read(key, ACTOR)).toBeUndefined();
      await expect(open({ prefix: "elsewhere" }).read(key, ACTOR)).rejects.toMatchObject({ code: "secrets.denied" });
      const credential = { kind: "token", token: async () => new PlainSecret("no-token-of-ours") } as const;
      const refused = open({ credential }).read(key, ACTOR);
      await expect(refused).rejects.toMatchObject({ code: "secrets.denied" });
      await expect(refused).rejects.not.toThrow("of-ours");
      await expect(open({ ca: undefined }).read(key, ACTOR)).rejects.toMatchObject({ code: "secrets.unavailable" });
    } finally {
      await bao.close();
    }
  });
});
