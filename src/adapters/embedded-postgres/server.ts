import { type ChildProcess, spawn } from "node:child_process";
import {
  chmodSync,
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
} from "node:fs";
import { join, resolve } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { type Logger, PlainSecret, RingwallError } from "../../core/index.ts";
import { type Account, chooseAccount, firstClosedFolder, invalid } from "./account.ts";
import { findBinaries } from "./binaries.ts";
import { initialise, PG_HBA, PG_HBA_TLS, readSuperuserSecret, SUPERUSER, writeOwned } from "./initialise.ts";
import { claimFolder, clearStale, errorCode, findPostmaster, isReady, SHUTDOWN_MS, shutDown } from "./process.ts";
import { chooseSocketFolder } from "./socket-folder.ts";
import { checkSpace } from "./space.ts";

/** Where the cluster lives and how the server runs. */
export interface EmbeddedPostgresOptions {
  /** Holds everything: the cluster, the superuser's secret, the socket, the log. Created when missing. */
  readonly dataDir: string;
  /** The account to run as when the caller is root. A dedicated one in production; else `postgres`, then `nobody`. */
  readonly runAs?: string;
  /** PostgreSQL settings beside ours. Those that guard (socket, authentication, logging) cannot be overridden. */
  readonly settings?: Readonly<Record<string, string>>;
  /** Also listens on 127.0.0.1 at this port, for tools that know no sockets. Off unless given. */
  readonly port?: number;
  /** A certificate and its key as PEM: the port then takes TLS only. */
  readonly tls?: { readonly certificate: string; readonly key: string };
  readonly log: Logger;
}

/** A running server that this process started. */
export interface EmbeddedPostgres {
  /** The folder of the unix socket; `pg` takes it as `host`. */
  readonly host: string;
  /** The socket's number, and the TCP port when one was asked for. */
  readonly port: number;
  readonly superuser: string;
  readonly pid: number;
  /** The superuser's password, from the 0600 file beside the cluster. */
  superuserPassword(): PlainSecret;
  /** Settles when the server is gone, whoever ended it. */
  readonly exited: Promise<void>;
  /** Fast shutdown; waits until the process is gone. */
  stop(): Promise<void>;
}

const SOCKET_PORT = 5432;
const READY_MS = 60_000;
const READY_POLL_MS = 10;
const LOG_BYTES_MAX = 8 * 1024 * 1024;
const LOG_TAIL_BYTES = 2_000;

/** May be overridden by `settings`. */
const DEFAULTS: Readonly<Record<string, string>> = {
  max_connections: "100",
  shared_buffers: "128MB",
  fsync: "on",
  synchronous_commit: "on",
  full_page_writes: "on",
  timezone: "UTC",
  log_timezone: "UTC",
};

/** Cannot be overridden: where it listens, how it authenticates, and that neither statements nor values are logged. */
const GUARDS: Readonly<Record<string, string>> = {
  unix_socket_permissions: "0700",
  password_encryption: "scram-sha-256",
  log_statement: "none",
  log_min_duration_statement: "-1",
  log_min_error_statement: "panic",
  log_parameter_max_length_on_error: "0",
  log_error_verbosity: "terse",
  logging_collector: "off",
  track_activity_query_size: "256",
};

/**
 * Starts PostgreSQL on `dataDir`, creating the cluster first when there is none.
 *
 * @throws RingwallError `config.invalid` with the reason and the way out when the folder, the account or the cluster
 * does not allow it; `database.unavailable` when the server does not become ready.
 */
export async function startEmbeddedPostgres(options: EmbeddedPostgresOptions): Promise<EmbeddedPostgres> {
  const dataDir = resolve(options.dataDir);
  const account = chooseAccount(options.runAs, process.getuid?.() ?? -1);
  prepareDataDir(dataDir, account);
  const release = claimFolder(dataDir);
  try {
    return await startClaimed(options, dataDir, account, release);
  } catch (error) {
    release();
    throw explain(error, dataDir);
  }
}

async function startClaimed(
  options: EmbeddedPostgresOptions,
  dataDir: string,
  account: Account | undefined,
  release: () => void,
): Promise<EmbeddedPostgres> {
  const binaries = findBinaries(dataDir, account);
  const pgdata = join(dataDir, "pgdata");
  const orphan = findPostmaster(pgdata);
  if (orphan !== undefined) {
    options.log.warn({ pid: orphan }, "stopping the PostgreSQL that an earlier run left behind");
    await shutDown(orphan);
  }
  await clearStale(pgdata);
  checkSpace(dataDir);
  await initialise({ binaries, dataDir, pgdata, account, log: options.log });
  const encrypted = options.tls !== undefined;
  writeOwned(join(pgdata, "pg_hba.conf"), encrypted ? PG_HBA_TLS : PG_HBA, account);
  if (options.tls !== undefined) {
    writeOwned(join(pgdata, "server.crt"), options.tls.certificate, account);
    writeOwned(join(pgdata, "server.key"), options.tls.key, account);
  }
  const socketFolder = chooseSocketFolder(dataDir, SOCKET_PORT, account);
  const port = options.port ?? SOCKET_PORT;
  // The folder is private to this cluster, so with no server of its own alive a socket in it is a leftover.
  if (!existsSync(join(pgdata, "postmaster.pid"))) {
    for (const name of readdirSync(socketFolder)) rmSync(join(socketFolder, name), { force: true });
  }
  const settings: Record<string, string> = {
    ...DEFAULTS,
    ...options.settings,
    ...GUARDS,
    ssl: encrypted ? "on" : "off",
    unix_socket_directories: socketFolder,
    listen_addresses: options.port === undefined ? "" : "127.0.0.1",
    port: String(port),
  };
  const child = spawnServer(binaries.postgres, pgdata, settings, account, join(dataDir, "postgres.log"));
  const exited = new Promise<void>((done) => {
    child.once("exit", () => {
      done();
    });
  });
  const pid = await waitReady(child, pgdata, join(dataDir, "postgres.log"));
  options.log.info({ pid, dataDir }, "PostgreSQL is ready");
  return {
    host: socketFolder,
    port,
    superuser: SUPERUSER,
    pid,
    superuserPassword: () => readSuperuserSecret(dataDir),
    exited,
    async stop() {
      if (child.exitCode === null && child.signalCode === null) await shutDown(pid);
      await Promise.race([exited, delay(SHUTDOWN_MS, undefined, { ref: false })]);
      release();
    },
  };
}

/** The data folder stays the caller's own; the account may pass through it (0711), and owns the cluster inside. */
function prepareDataDir(dataDir: string, account: Account | undefined): void {
  try {
    mkdirSync(dataDir, { recursive: true, mode: account === undefined ? 0o700 : 0o711 });
    chmodSync(dataDir, account === undefined ? 0o700 : 0o711);
  } catch (cause) {
    throw invalid(
      `the data folder ${dataDir} cannot be created or is not ours (${errorCode(cause)}); choose another`,
      cause,
    );
  }
  const closed = account === undefined ? undefined : firstClosedFolder(dataDir, account);
  if (closed !== undefined && account !== undefined) {
    throw invalid(`the account ${account.name} cannot enter ${closed}; choose a data folder such as /var/lib/ringwall`);
  }
}

function spawnServer(
  program: string,
  pgdata: string,
  settings: Readonly<Record<string, string>>,
  account: Account | undefined,
  logFile: string,
): ChildProcess {
  const args = ["-D", pgdata];
  for (const [name, value] of Object.entries(settings)) args.push("-c", `${name}=${value}`);
  rotateLog(logFile);
  const log = openSync(logFile, "a", 0o600);
  try {
    return spawn(program, args, {
      cwd: pgdata,
      env: { LC_ALL: "C", TZ: "UTC", PATH: "/usr/bin:/bin" },
      stdio: ["ignore", log, log],
      // A session of its own: Ctrl-C goes to the terminal's whole process group, and the server must outlive our drain.
      detached: true,
      ...(account === undefined ? {} : { uid: account.uid, gid: account.gid }),
    });
  } finally {
    closeSync(log);
  }
}

function rotateLog(logFile: string): void {
  try {
    if (statSync(logFile).size > LOG_BYTES_MAX) renameSync(logFile, `${logFile}.1`);
  } catch (error) {
    if (errorCode(error) !== "ENOENT") throw error;
  }
}

async function waitReady(child: ChildProcess, pgdata: string, logFile: string): Promise<number> {
  let failure: Error | undefined;
  child.once("error", (error) => {
    failure = error;
  });
  for (let waited = 0; waited < READY_MS; waited += READY_POLL_MS) {
    if (failure !== undefined) throw invalid(`PostgreSQL cannot be started: ${failure.message}`, failure);
    if (child.exitCode !== null || child.signalCode !== null) {
      throw invalid(`PostgreSQL ended while starting; its log ${logFile} ends with: ${logTail(logFile)}`);
    }
    if (child.pid !== undefined && isReady(pgdata, child.pid)) return child.pid;
    await delay(READY_POLL_MS);
  }
  child.kill("SIGQUIT");
  throw new RingwallError("database.unavailable", { detail: { reason: "PostgreSQL did not become ready" } });
}

function logTail(logFile: string): string {
  try {
    return readFileSync(logFile, "utf8").slice(-LOG_TAIL_BYTES).trim().split("\n").slice(-4).join(" / ");
  } catch {
    return "(no log)";
  }
}

/** Turns what the file system says into the reason and the way out. */
function explain(error: unknown, dataDir: string): unknown {
  switch (errorCode(error)) {
    case "ENOSPC":
      return invalid(`the disk that holds ${dataDir} is full; free some space or choose another folder`, error);
    case "EACCES":
    case "EPERM":
      return invalid(
        `the data folder ${dataDir} cannot be read or written; give it back its owner or choose another`,
        error,
      );
    default:
      return error;
  }
}
