import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { request } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { testAuthority } from "../certificates.ts";
import { freePort } from "../free-port.ts";
import { peerProcess } from "./peer-process.ts";

/** A real OpenBao with TLS on loopback, its storage in a folder of its own, unsealed. */
export interface TestOpenBao {
  readonly url: string;
  /** PEM of the authority that signed its certificate. */
  readonly caFile: string;
  readonly ca: string;
  readonly rootToken: string;
  /** One call of its API as root. */
  api(method: "GET" | "POST", path: string, body?: object): Promise<Record<string, unknown>>;
  /** Ends the process; starting it again unseals it. */
  kill(): Promise<void>;
  start(): Promise<void>;
  close(): Promise<void>;
}

const NO_CONTENT = 204;
const POLL_MS = 100;

/** @param binary - Path of `bao`. */
export async function startOpenBao(binary: string): Promise<TestOpenBao> {
  const folder = mkdtempSync(join(tmpdir(), "ringwall-openbao-"));
  const port = await freePort();
  const url = `https://127.0.0.1:${port}`;
  const authority = testAuthority(folder, "bao");
  const { certificate, key } = authority.issue(["IP:127.0.0.1"]);
  const ca = readFileSync(authority.caFile, "utf8");
  writeFileSync(join(folder, "server.pem"), certificate);
  writeFileSync(join(folder, "server.key"), key, { mode: 0o600 });
  const config = {
    api_addr: url,
    cluster_addr: `https://127.0.0.1:${await freePort()}`,
    storage: { raft: { path: join(folder, "data"), node_id: "one" } },
    listener: {
      tcp: {
        address: `127.0.0.1:${port}`,
        tls_cert_file: join(folder, "server.pem"),
        tls_key_file: join(folder, "server.key"),
        tls_min_version: "tls13",
      },
    },
  };
  mkdirSync(join(folder, "data"));
  const configFile = join(folder, "bao.json");
  writeFileSync(configFile, JSON.stringify(config));
  const call = async (method: string, path: string, body?: object, token = ""): Promise<Record<string, unknown>> => {
    const { promise, resolve, reject } = Promise.withResolvers<Record<string, unknown>>();
    const headers = { "x-vault-token": token, "content-type": "application/json" };
    const sent = request(`${url}/v1/${path}`, { method, headers, ca, agent: false }, (response) => {
      response.setEncoding("utf8");
      let text = "";
      response.on("data", (chunk: string) => (text += chunk));
      response.on("end", () => {
        const known =
          response.statusCode === NO_CONTENT || text === "" ? {} : (JSON.parse(text) as Record<string, unknown>);
        if ((response.statusCode ?? 0) >= 500) reject(new Error(`${path}: ${response.statusCode} ${text}`));
        else resolve(known);
      });
    });
    sent.on("error", reject);
    sent.end(body === undefined ? undefined : JSON.stringify(body));
    return await promise;
  };
  const server = peerProcess(binary, ["server", `-config=${configFile}`], { HOME: folder }, async () => {
    return "initialized" in (await call("GET", "sys/seal-status"));
  });
  await server.start();
  const made = await call("POST", "sys/init", { secret_shares: 1, secret_threshold: 1 });
  const rootToken = String(made["root_token"]);
  const [share] = made["keys_base64"] as string[];
  const unseal = async (): Promise<void> => {
    await call("POST", "sys/unseal", { key: share });
    // Unsealed, it takes a moment to become the active node, and answers no sign-in until then.
    for (let left = 100; left > 0; left -= 1) {
      const health = await call("GET", "sys/health").catch((): Record<string, unknown> => ({}));
      if (health["sealed"] === false && health["standby"] === false) return;
      await wait(POLL_MS);
    }
    throw new Error("OpenBao did not become active");
  };
  await unseal();
  return {
    url,
    caFile: authority.caFile,
    ca,
    rootToken,
    api: (method, path, body) => call(method, path, body, rootToken),
    kill: () => server.kill(),
    async start() {
      await server.start();
      await unseal();
    },
    async close() {
      await server.kill();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
