import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { openSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type EmbeddedPostgres, startEmbeddedPostgres } from "../../src/adapters/embedded-postgres/index.ts";
import { silentLogger } from "../../src/core/index.ts";
import { freePort } from "../../src/testing/free-port.ts";
import { type HttpClient, httpClient } from "./http.ts";
import { backendsOf, signal } from "./processes.ts";
import { type Proxy, startProxy } from "./proxy.ts";
import { type Place, startSystem } from "./system.ts";
import { until } from "./until.ts";

const SERVER = fileURLToPath(new URL("../../apps/server/main.ts", import.meta.url));
const BANK = fileURLToPath(new URL("../../examples/bank/main.ts", import.meta.url));
const END_MS = 30_000;
const DRAIN_MS = 10_000;

/** Server and bank over a PostgreSQL that nobody starts again but the test, with a proxy between. */
export interface Installation {
  readonly proxy: Proxy;
  readonly bank: HttpClient;
  readonly api: HttpClient;
  readonly admin: HttpClient;
  /** Whether server and bank are the processes they were at the start. */
  alive(): boolean;
  killPostgres(): Promise<void>;
  startPostgres(): Promise<void>;
  stop(): Promise<void>;
}

/** Lets `ringwall start` set everything up, then runs the parts without their supervisor. */
export async function runUnsupervised(place: Place): Promise<Installation> {
  const supervised = await startSystem(place);
  await supervised.stop();
  let postgres = await startPostgres(place);
  const proxy = await startProxy(join(postgres.host, `.s.PGSQL.${postgres.port}`));
  const [apiPort, bankPort] = [await freePort(), await freePort()];
  const runtimeFile = writeRuntime(place, proxy.port, { api: apiPort, bank: bankPort });
  const server = await startProcess(place, "server", SERVER, runtimeFile);
  const bank = await startProcess(place, "bank", BANK, runtimeFile);
  const clients = {
    bank: httpClient({ port: bankPort }),
    api: httpClient({ port: apiPort }),
    admin: httpClient({ socketPath: join(place.dataDir, "run", "admin.sock") }),
  };
  return {
    proxy,
    ...clients,
    alive: () => [server, bank].every(({ exitCode, signalCode }) => exitCode === null && signalCode === null),
    async killPostgres() {
      signal(postgres.pid, "SIGKILL");
      await postgres.stop();
      await until("PostgreSQL is gone", END_MS, () => (backendsOf(place.pgdata).length === 0 ? true : undefined));
    },
    async startPostgres() {
      postgres = await startPostgres(place);
    },
    async stop() {
      for (const client of Object.values(clients)) client.close();
      await proxy.mend();
      for (const child of [bank, server]) await endProcess(child);
      await proxy.close();
      await postgres.stop();
    },
  };
}

async function startPostgres({ dataDir }: Place): Promise<EmbeddedPostgres> {
  return await startEmbeddedPostgres({ dataDir: join(dataDir, "postgres"), log: silentLogger });
}

/** The supervisor's runtime file, with the proxy where the database's socket was, and ports of its own. */
function writeRuntime({ dataDir, root }: Place, proxyPort: number, ports: object): string {
  const written: unknown = JSON.parse(readFileSync(join(dataDir, "run", "runtime.json"), "utf8"));
  if (typeof written !== "object" || written === null) throw new Error("a runtime file holds an object");
  const file = join(root, "runtime.json");
  const postgres = { host: "127.0.0.1", port: proxyPort, database: "ringwall" };
  writeFileSync(file, JSON.stringify({ ...written, postgres, ports }), { mode: 0o600 });
  return file;
}

/** Resolves when it says that it is ready. */
async function startProcess(place: Place, name: string, script: string, runtimeFile: string): Promise<ChildProcess> {
  const log = openSync(join(place.root, `${name}.log`), "a", 0o600);
  const child = spawn(process.execPath, ["--conditions=source", script, runtimeFile], {
    stdio: ["ignore", log, log, "ipc"],
    env: { PATH: process.env["PATH"], HOME: process.env["HOME"] },
  });
  const said = await Promise.race([once(child, "message"), once(child, "exit")]);
  if (child.exitCode !== null) throw new Error(`${name} ended: ${String(said[0])}`);
  return child;
}

async function endProcess(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill("SIGTERM");
  // As the supervisor does with one that does not drain.
  const late = setTimeout(() => child.kill("SIGKILL"), DRAIN_MS);
  await once(child, "exit");
  clearTimeout(late);
}
