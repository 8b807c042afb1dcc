import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { PlainSecret } from "../../core/index.ts";
import type { MasterKey } from "../../data/keys/index.ts";
import { freePort } from "../../testing/free-port.ts";
import { masterKeyContract } from "../../testing/sealing/master-key-contract.ts";
import { type PeerProcess, peerProcess } from "../../testing/sealing/peer-process.ts";
import { pythonPeer } from "../../testing/sealing/python-peers.ts";
import { awsKmsMaster } from "./index.ts";

const peer = pythonPeer("moto_server");
const MISSING = "missing" in peer ? peer.missing : undefined;
const RUNS = 25;
const REGION = "eu-central-1";

// moto keeps its keys in memory, so in an outage it is frozen and not ended.
describe.skipIf(MISSING !== undefined)(`AWS KMS ${MISSING ?? "as moto speaks it"}`, () => {
  let server: PeerProcess;
  let port = 0;
  let reachable = 0;
  const keys: string[] = [];

  const call = async (action: string, body: object): Promise<Record<string, unknown>> => {
    const headers = {
      "content-type": "application/x-amz-json-1.1",
      "x-amz-target": `TrentService.${action}`,
      "authorization": `AWS4-HMAC-SHA256 Credential=test/20260101/${REGION}/kms/aws4_request, SignedHeaders=host, Signature=0`,
    };
    const answer = await fetch(`http://127.0.0.1:${port}/`, { method: "POST", headers, body: JSON.stringify(body) });
    return (await answer.json()) as Record<string, unknown>;
  };
  const makeKey = async (input: object = {}): Promise<string> => {
    const { KeyMetadata: made } = (await call("CreateKey", input)) as { KeyMetadata: { KeyId: string } };
    return made.KeyId;
  };

  beforeAll(async () => {
    port = await freePort();
    reachable = port;
    const isReady = async (): Promise<boolean> => (await fetch(`http://127.0.0.1:${port}/moto-api/`)).ok;
    server = peerProcess("path" in peer ? peer.path : "", ["-H", "127.0.0.1", "-p", String(port)], {}, isReady);
    await server.start();
    keys.push(await makeKey(), await makeKey());
  });
  afterAll(async () => {
    await server?.kill();
  });

  const open = async (keyId: string): Promise<MasterKey> =>
    await awsKmsMaster({
      region: REGION,
      keyId,
      endpoint: `http://127.0.0.1:${reachable}`,
      credentials: { accessKeyId: "test", secretAccessKey: async () => new PlainSecret("test") },
    });

  masterKeyContract(
    "AWS KMS",
    async () => {
      const master = await open(keys[0] ?? "");
      return {
        master,
        reopen: () => open(keys[0] ?? ""),
        other: () => open(keys[1] ?? ""),
        outage: {
          begin: async () => server.freeze(),
          end: async () => server.thaw(),
        },
        close: async () => await master.close?.(),
      };
    },
    RUNS,
  );

  test("refuses a key that is not there, one that is disabled, and one that is no symmetric key", async () => {
    const disabled = await makeKey();
    await call("DisableKey", { KeyId: disabled });
    const asymmetric = await makeKey({ KeySpec: "RSA_2048", KeyUsage: "ENCRYPT_DECRYPT" });
    for (const key of ["00000000-0000-0000-0000-000000000000", disabled, asymmetric]) {
      await expect(open(key)).rejects.toMatchObject({ code: "keys.master_refused" });
    }
  });

  test("a service that is gone is an outage", async () => {
    reachable = await freePort();
    try {
      await expect(open(keys[0] ?? "")).rejects.toMatchObject({ code: "keys.unavailable" });
    } finally {
      reachable = port;
    }
  });
});
