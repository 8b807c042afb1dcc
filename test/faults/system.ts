import { chmodSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Client } from "pg";
import { RUNNING, runCli, spawnCli } from "../cli-process.ts";
import { systemPorts } from "../running-system.ts";
import { type HttpClient, httpClient } from "./http.ts";
import { backendsOf, findProcesses, isAlive, postmasterOf, signal } from "./processes.ts";
import { until } from "./until.ts";

/** A cold start on a busy machine, and recovery from the log. */
const START_MS = 90_000;
const STOP_MS = 30_000;

/** Rates out of the way: the clients of a test are all at one address. A short lease, so that chaining goes on soon. */
const CONFIG = {
  mode: "development",
  perimeter: {
    rates: {
      address: { limit: 10_000_000, periodSeconds: 1, burst: 1_000_000 },
      account: { limit: 10_000_000, periodSeconds: 1, burst: 1_000_000 },
      tenant: { limit: 10_000_000, periodSeconds: 1, burst: 1_000_000 },
      routes: { "sign-in": { limit: 10_000_000, periodSeconds: 1, burst: 1_000_000 } },
    },
  },
  monitoring: { audit: { leaseMs: 1_000, pollMs: 20, signMs: 100 } },
};

/** The parts of a running system that can be killed. */
export type Part = "bank" | "server" | "postmaster" | "backend" | "supervisor";

/** A folder of a test's own, with a configuration in it, that PostgreSQL's account can pass through. */
export interface Place {
  readonly root: string;
  readonly dataDir: string;
  readonly configFile: string;
  readonly pgdata: string;
}

/** What `ringwall start` started. */
export interface System {
  readonly place: Place;
  readonly bank: HttpClient;
  readonly api: HttpClient;
  readonly admin: HttpClient;
  /** The process of each part, as far as it lives. */
  pids(): Readonly<Record<Exclude<Part, "backend">, number | undefined>>;
  /** Ends a part as a power cut does. A killed supervisor is started again at once, with the same command. */
  kill(part: Exclude<Part, "backend">): Promise<void>;
  killBackend(choose: (from: readonly number[]) => number): void;
  /** Waits until everything answers again; nobody helps. */
  recovered(before: ReturnType<System["pids"]>, killed: Part): Promise<void>;
  /** Runs another command of the CLI on this data directory. */
  command(...words: readonly string[]): Promise<{ exit: number | null; stdout: string; stderr: string }>;
  /** A connection as the cluster's superuser, who sees every row. */
  superuser(): Promise<Client>;
  stop(): Promise<void>;
}

export function makePlace(): Place {
  const root = mkdtempSync(join(tmpdir(), "ringwall-faults-"));
  chmodSync(root, 0o755);
  const dataDir = join(root, "data");
  const configFile = join(root, "ringwall.config.json");
  writeFileSync(configFile, JSON.stringify(CONFIG), { mode: 0o600 });
  return { root, dataDir, configFile, pgdata: join(dataDir, "postgres", "pgdata") };
}

export function removePlace({ root }: Place): void {
  rmSync(root, { recursive: true, force: true, maxRetries: 5 });
}

/** A connection to the cluster of a data directory, over its own socket. */
export async function connectSuperuser({ dataDir }: Pick<Place, "dataDir">, database = "ringwall"): Promise<Client> {
  const folder = join(dataDir, "postgres");
  const password = readFileSync(join(folder, "superuser.secret"), "utf8").trim();
  const client = new Client({ host: join(folder, "run"), port: 5_432, user: "postgres", database, password });
  client.on("error", () => undefined);
  await client.connect();
  return client;
}

/** The command `ringwall start` and everything it runs. */
export async function startSystem(place: Place): Promise<System> {
  const { apiPort, bankPort, words: ports } = await systemPorts();
  const words = ["--config", place.configFile, "--data", place.dataDir];
  const startWords = ["start", ...words, ...ports];
  let supervisor = await startSupervisor(place, startWords);
  const clients = {
    bank: httpClient({ port: bankPort }),
    api: httpClient({ port: apiPort }),
    admin: httpClient({ socketPath: join(place.dataDir, "run", "admin.sock") }),
  };
  const pids = (): ReturnType<System["pids"]> => ({
    supervisor: isAlive(supervisor) ? supervisor : undefined,
    server: findProcesses("server/main.ts", place.dataDir)[0],
    bank: findProcesses("bank/main.ts", place.dataDir)[0],
    postmaster: postmasterOf(place.pgdata),
  });
  return {
    place,
    ...clients,
    pids,
    async kill(part) {
      const pid = pids()[part];
      if (pid === undefined) throw new Error(`${part} does not run`);
      signal(pid, "SIGKILL");
      if (part !== "supervisor") return;
      await until("the killed supervisor is gone", STOP_MS, () => (isAlive(pid) ? undefined : true));
      supervisor = await startSupervisor(place, startWords);
    },
    killBackend: (choose) => signal(choose(backendsOf(place.pgdata)), "SIGKILL"),
    async recovered(before, killed) {
      await until(`everything is back after the ${killed} was killed`, START_MS, async () => {
        const now = pids();
        const renewed = killed === "backend" || (now[killed] !== undefined && now[killed] !== before[killed]);
        return renewed && (await isReady(clients.bank)) && (await isReady(clients.api)) ? true : undefined;
      });
    },
    command: async (...command) => await runCli([...command, ...words]),
    superuser: () => until("the superuser is let in", START_MS, () => connectSuperuser(place)),
    async stop() {
      for (const client of Object.values(clients)) client.close();
      // Also one that was just being started when a test failed.
      for (const pid of findProcesses("cli/main.ts", place.dataDir)) signal(pid, "SIGTERM");
      await until("everything has stopped", STOP_MS, () =>
        Object.values(pids()).every((pid) => pid === undefined) ? true : undefined,
      );
    },
  };
}

/** Resolves when it has said that everything runs. @throws Error with what it said, when it ends before. */
async function startSupervisor({ root }: Place, words: readonly string[]): Promise<number> {
  const output = join(root, `start.${performance.now()}.log`);
  const log = openSync(output, "a", 0o600);
  // A file and no pipe: what a killed supervisor leaves behind goes on writing.
  const child = spawnCli(words, { stdio: ["ignore", log, log] });
  const said = (): string => readFileSync(output, "utf8");
  await until("ringwall start says that it runs", START_MS, () => {
    if (child.exitCode !== null || child.signalCode !== null) return true;
    return said().includes(RUNNING) ? true : undefined;
  });
  if (child.pid === undefined || child.exitCode !== null) throw new Error(`ringwall start ended:\n${said()}`);
  return child.pid;
}

async function isReady(client: HttpClient): Promise<boolean> {
  try {
    return (await client.send({ method: "GET", path: "/readyz" })).status === 200;
  } catch {
    return false;
  }
}
