import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { PlainSecret } from "../../core/index.ts";
import type { MasterKey } from "../../data/keys/index.ts";
import { masterKeyContract } from "../../testing/sealing/master-key-contract.ts";
import { startOpenBao, type TestOpenBao } from "../../testing/sealing/openbao.ts";
import { pythonPeer } from "../../testing/sealing/python-peers.ts";
import { type TransitOptions, transitMaster } from "./index.ts";

const peer = pythonPeer("bao");
const MISSING = "missing" in peer ? peer.missing : undefined;
const RUNS = 25;
const POLICY = `
path "transit/encrypt/master" { capabilities = ["update"] }
path "transit/decrypt/master" { capabilities = ["update"] }
path "transit/keys/master" { capabilities = ["read"] }
path "transit/encrypt/other" { capabilities = ["update"] }
path "transit/decrypt/other" { capabilities = ["update"] }
path "transit/keys/other" { capabilities = ["read"] }
path "transit/keys/loose" { capabilities = ["read"] }
path "transit/keys/nokey" { capabilities = ["read"] }`;

describe.skipIf(MISSING !== undefined)(`Transit ${MISSING ?? "of OpenBao"}`, () => {
  let bao: TestOpenBao;
  let role: { roleId: string; secretId: string };
  beforeAll(async () => {
    bao = await startOpenBao("path" in peer ? peer.path : "");
    await bao.api("POST", "sys/mounts/transit", { type: "transit" });
    for (const name of ["master", "other"]) await bao.api("POST", `transit/keys/${name}`, { type: "aes256-gcm96" });
    await bao.api("POST", "transit/keys/loose", { type: "aes256-gcm96", exportable: true });
    await bao.api("POST", "sys/policies/acl/ringwall", { policy: POLICY });
    await bao.api("POST", "sys/auth/approle", { type: "approle" });
    await bao.api("POST", "auth/approle/role/ringwall", { token_policies: ["ringwall"], token_ttl: "1h" });
    const named = await bao.api("GET", "auth/approle/role/ringwall/role-id");
    const secret = await bao.api("POST", "auth/approle/role/ringwall/secret-id");
    role = { roleId: field(named, "role_id"), secretId: field(secret, "secret_id") };
  });
  afterAll(async () => {
    await bao?.close();
  });

  const byRole = (): TransitOptions["credential"] => ({
    kind: "approle",
    mount: "approle",
    roleId: role.roleId,
    secretId: async () => new PlainSecret(role.secretId),
  });
  const open = async (keyName: string, changes: Partial<TransitOptions> = {}): Promise<MasterKey> =>
    await transitMaster({
      url: bao.url,
      ca: bao.ca,
      tlsMinimum: "TLSv1.3",
      mount: "transit",
      keyName,
      credential: byRole(),
      ...changes,
    });

  masterKeyContract(
    "Transit of OpenBao",
    async () => ({
      master: await open("master"),
      reopen: () => open("master"),
      other: () => open("other"),
      outage: { begin: () => bao.kill(), end: () => bao.start() },
      close: async () => {},
    }),
    RUNS,
  );

  test("signs in again when its token is revoked, and opens older versions after a rotation in the engine", async () => {
    const master = await open("master");
    const before = await master.generate(["x"]);
    await bao.api("POST", "transit/keys/master/rotate");
    await bao.api("POST", "sys/leases/revoke-force/auth/approle/login");
    const after = await master.generate(["x"]);
    expect([before.wrapped.readUInt32BE(2), after.wrapped.readUInt32BE(2)]).toEqual([1, 2]);
    expect(await master.unwrap(before.wrapped, ["x"])).toEqual(before.plaintext);
    expect(await master.unwrap(after.wrapped, ["x"])).toEqual(after.plaintext);
    const swapped = Buffer.from(before.wrapped);
    swapped.writeUInt32BE(2, 2);
    await expect(master.unwrap(swapped, ["x"])).rejects.toMatchObject({ code: "keys.decrypt_failed" });
  });

  test("takes a token as it is, and a sealed server is an outage", async () => {
    const credential = { kind: "token", token: async () => new PlainSecret(bao.rootToken) } as const;
    const master = await open("master", { credential });
    const { plaintext, wrapped } = await master.generate(["x"]);
    expect(await master.unwrap(wrapped, ["x"])).toEqual(plaintext);
    await bao.api("POST", "sys/seal");
    await expect(master.unwrap(wrapped, ["x"])).rejects.toMatchObject({ code: "keys.unavailable" });
    await bao.kill();
    await bao.start();
    expect(await master.unwrap(wrapped, ["x"])).toEqual(plaintext);
  });

  test.each([
    ["a key that is not there", "nokey", {}, "keys.master_refused"],
    ["a key that can be exported", "loose", {}, "keys.master_refused"],
    ["a certificate of an authority that it does not know", "master", { ca: undefined }, "keys.unavailable"],
    [
      "a role that the server refuses",
      "master",
      {
        credential: {
          kind: "approle",
          mount: "approle",
          roleId: "00000000-0000-0000-0000-000000000000",
          secretId: async () => new PlainSecret("no-secret-of-ours"),
        },
      },
      "keys.master_refused",
    ],
    [
      "a token that the server refuses",
      "master",
      { credential: { kind: "token", token: async () => new PlainSecret("no-token-of-ours") } },
      "keys.unavailable",
    ],
  ] as const)("refuses %s, and shows no secret", async (_case, name, changes, code) => {
    const refused = open(name, changes);
    await expect(refused).rejects.toMatchObject({ code });
    await expect(refused).rejects.not.toThrow("of-ours");
  });
});

function field(answer: Record<string, unknown>, name: string): string {
  const { data } = answer as { data?: Record<string, unknown> };
  return String(data?.[name]);
}
