import { execFileSync } from "node:child_process";
import { chownSync, existsSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { Client, type ClientConfig } from "pg";
import { type Account, chooseAccount } from "../../adapters/embedded-postgres/index.ts";
import { randomToken } from "../../core/index.ts";
import { freePort } from "../free-port.ts";
import { startServer } from "./child.ts";
import { serverFolder } from "./folder.ts";
import { prepareTemplate, TEMPLATE, type TestServer, testContextKey, testPasswords } from "./template.ts";

const SUPERUSER = "postgres";
const READY_TRIES = 200;
const READY_POLL_MS = 50;

/** The lowest version that Ringwall supports, and the one of Debian 12. */
export const DEBIAN_VERSION = 15;

/** Why tests against Debian's PostgreSQL cannot run on this machine; `undefined` when they can. */
export function debianPostgresMissing(version: number = DEBIAN_VERSION): string | undefined {
  return existsSync(join(binaries(version), "initdb"))
    ? undefined
    : `PostgreSQL ${version} is not installed (Debian: apt install postgresql-${version})`;
}

/** A PostgreSQL of Debian's package of a test's own: a free port of loopback, a temporary folder, nothing kept. */
export interface DebianPostgres extends TestServer {
  readonly version: number;
  readonly dataDir: string;
  /** Ends it, with every connection, and removes its folder. */
  stop(): Promise<void>;
}

/** What a test may want otherwise. */
export interface DebianPostgresOptions {
  readonly version?: number;
  /** Further settings, as in postgresql.conf. */
  readonly settings?: Readonly<Record<string, string>>;
  /** False for a cluster without Ringwall's roles and template: a host's own database. */
  readonly ringwall?: boolean;
}

function binaries(version: number): string {
  return `/usr/lib/postgresql/${version}/bin`;
}

/** Starts one, migrated unless asked otherwise. @throws Error with what the server said when it does not start. */
export async function startDebianPostgres(options: DebianPostgresOptions = {}): Promise<DebianPostgres> {
  const { version = DEBIAN_VERSION, settings = {}, ringwall = true } = options;
  const account = chooseAccount(undefined, process.getuid?.() ?? -1);
  const folder = serverFolder("debian-postgres", account);
  const dataDir = join(folder.path, "data");
  const password = randomToken();
  initialise({ version, dataDir, password, folder: folder.path, account });
  const port = await freePort();
  const server = await startServer({
    program: join(binaries(version), "postgres"),
    args: ["-D", dataDir, ...settingsOf({ ...DEFAULTS, ...settings, port: String(port) })],
    account,
    port,
  });
  folder.claim(server.pid);
  const stop = async (): Promise<void> => {
    // Immediate: sessions end, no checkpoint.
    await server.stop("SIGQUIT");
    folder.remove();
  };
  const test: TestServer = {
    host: "127.0.0.1",
    port,
    template: TEMPLATE,
    superuser: SUPERUSER,
    passwords: { ...testPasswords(), [SUPERUSER]: password },
    contextKey: testContextKey(),
  };
  try {
    await untilReady({ host: test.host, port, user: SUPERUSER, password, database: "postgres" });
    if (ringwall) await prepareTemplate(test);
  } catch (error) {
    await stop();
    throw error;
  }
  return { ...test, version, dataDir, stop };
}

const DEFAULTS: Readonly<Record<string, string>> = {
  listen_addresses: "127.0.0.1",
  unix_socket_directories: "",
  // Nothing of a test has to survive the machine.
  fsync: "off",
  synchronous_commit: "off",
  full_page_writes: "off",
  max_connections: "100",
  shared_buffers: "32MB",
};

function settingsOf(settings: Readonly<Record<string, string>>): readonly string[] {
  return Object.entries(settings).flatMap(([name, value]) => ["-c", `${name}=${value}`]);
}

function initialise(at: {
  readonly version: number;
  readonly dataDir: string;
  readonly password: string;
  readonly folder: string;
  readonly account: Account | undefined;
}): void {
  const { account } = at;
  const file = join(at.folder, "password");
  writeFileSync(file, at.password, { mode: 0o600 });
  if (account !== undefined) chownSync(file, account.uid, account.gid);
  const cluster = ["-D", at.dataDir, "-U", SUPERUSER, "-E", "UTF8", "--locale=C.UTF-8", "-N"];
  execFileSync(join(binaries(at.version), "initdb"), [...cluster, "-A", "scram-sha-256", `--pwfile=${file}`], {
    stdio: "pipe",
    // A folder that every account can enter.
    cwd: "/",
    ...(account === undefined ? {} : { uid: account.uid, gid: account.gid }),
  });
  rmSync(file);
}

/** It takes connections a moment before it lets anybody in. */
async function untilReady(config: ClientConfig): Promise<void> {
  for (let tried = 1; ; tried += 1) {
    const client = new Client(config);
    client.on("error", () => {});
    try {
      await client.connect();
      await client.end();
      return;
    } catch (error) {
      client.end().catch(() => {});
      if (tried === READY_TRIES) throw error;
    }
    await delay(READY_POLL_MS);
  }
}
