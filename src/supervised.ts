/**
 * A process that `ringwall start` runs: it reads what the supervisor says, finds its credentials, says over IPC when it
 * answers or why it never will, drains on SIGTERM and ends when the channel closes.
 *
 * Guards: the runtime file holds no secret; passwords and keys are read from 0600 files of this process's own user, each
 * when it is needed. Does not guard against whoever can act as the same user.
 *
 * Fails closed: a process that cannot start opens no port; faults that starting again does not mend are reported as
 * final, and the supervisor does not try again.
 *
 * @module
 */
import { writeSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { openMasterKeyFile, readPrivateFile } from "./adapters/files/index.ts";
import { configuredTarget, type Target } from "./adapters/postgres/index.ts";
import { connectRedis } from "./adapters/redis/index.ts";
import {
  type CounterStore,
  type ErrorCode,
  type Logger,
  PlainSecret,
  parseConfig,
  RingwallError,
} from "./core/index.ts";
import type { MasterKey } from "./data/keys/index.ts";
import { type ContextSigner, contextSigner } from "./data/tenants/index.ts";
import type { LineJoining } from "./perimeter/index.ts";
import { RingwallConfig } from "./ringwall.ts";

/** What the supervisor tells its children, in the file that is their only argument. It holds no secret. */
export const Runtime = z.object({
  configFile: z.string(),
  dataDir: z.string(),
  adminSocket: z.string(),
  postgres: z.object({ host: z.string(), port: z.int(), database: z.string() }).nullable(),
  ports: z.object({ api: z.int(), bank: z.int().nullable() }),
});
/** `uid` is this process's user, where there is such a thing: files with secrets must be its own or root's. */
export type Runtime = z.output<typeof Runtime> & { readonly uid: number | undefined };

const SECRET_BYTES_MAX = 4_096;
/** As much of a reason as a terminal shows. */
const FATAL_CHARS_MAX = 2_000;
/** Faults that starting again does not mend. */
const FINAL: ReadonlySet<ErrorCode> = new Set(["config.invalid", "keys.master_refused", "database.schema_mismatch"]);

/** @throws RingwallError `config.invalid`, naming the field */
export async function readRuntime(
  path: string,
  uid: number | undefined,
): Promise<{ runtime: Runtime; config: RingwallConfig }> {
  const runtime = { ...parseConfig(Runtime, await readJson(path)), uid };
  const config = parseConfig(RingwallConfig, await readJson(runtime.configFile));
  return { runtime, config };
}

/** @throws RingwallError `config.invalid`, naming the file. A parser's message quotes what it read, and is not passed on. */
async function readJson(path: string): Promise<unknown> {
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (cause) {
    throw new RingwallError("config.invalid", { message: `the file ${path} cannot be read`, cause });
  }
  try {
    return JSON.parse(text) as unknown;
  } catch {
    throw new RingwallError("config.invalid", { message: `the file ${path} is not JSON` });
  }
}

/**
 * Where the database is, as one of its roles. The password is read anew for each connection.
 * @param credential - Where the password comes from; when left out the file that the configuration names for the role,
 * else the role's file in the data directory.
 */
export async function targetOf(
  runtime: Runtime,
  config: RingwallConfig,
  role: string,
  credential: Target["credential"] = roleCredential(runtime, config, role),
): Promise<Target> {
  if (runtime.postgres !== null) return { ...runtime.postgres, user: role, credential };
  const { database } = config;
  if (database.kind !== "postgres") throw new RingwallError("config.invalid", { message: "there is no PostgreSQL" });
  return await configuredTarget(database, role, credential);
}

function roleCredential(runtime: Runtime, { database }: RingwallConfig, role: string): Target["credential"] {
  const named: Readonly<Record<string, string | undefined>> =
    database.kind === "postgres"
      ? { ringwall_app: database.appPassword, ringwall_worker: database.workerPassword }
      : {};
  const reference = named[role];
  if (reference === undefined) return () => readSecretFile(runtime, `${role}.password`);
  if (!reference.startsWith("file:")) {
    // The secret store is behind this very connection.
    throw new RingwallError("config.invalid", {
      message: `database: the password of ${role} must be a file: reference`,
    });
  }
  return () => readSecret(reference.slice("file:".length), runtime.uid);
}

/** The key that signs tenant contexts, as `kid:base64url` in its file. */
export async function readSigner(runtime: Runtime): Promise<ContextSigner> {
  const text = (await readSecretFile(runtime, "context.key")).open();
  const colon = text.indexOf(":");
  return contextSigner({ kid: text.slice(0, colon), key: Buffer.from(text.slice(colon + 1), "base64url") });
}

/** Opens the configured master key, or the software one of the data directory. */
export function masterOpener(
  runtime: Runtime,
  { data, mode }: RingwallConfig,
): (mayCreate: boolean) => Promise<MasterKey> {
  const masterKey = data?.masterKey;
  const file = masterKey?.file ?? join(runtime.dataDir, "secrets", "master.key");
  return (mayCreate) =>
    openMasterKeyFile({
      file,
      mode,
      allowInProduction: masterKey?.allowInProduction ?? false,
      mayCreate,
      ...(runtime.uid === undefined ? {} : { uid: runtime.uid }),
    });
}

/** The counters that the configuration names; close them after everything that counts. */
export interface OpenCounters {
  /** Undefined where each process counts for itself. */
  readonly counters: CounterStore | undefined;
  close(): Promise<void>;
}

/**
 * Opens the counters that the configuration names.
 * @throws RingwallError `counters.unavailable` when they cannot be reached: a start without counters is no start.
 */
export async function openCounters(
  { counters }: RingwallConfig,
  { log, uid }: { readonly log: Logger; readonly uid: number | undefined },
): Promise<OpenCounters> {
  if (counters.kind === "memory") return { counters: undefined, close: async () => {} };
  const { password: reference, caFile } = counters;
  if (reference?.startsWith("file:") === false) {
    throw new RingwallError("config.invalid", { message: "counters.password must be a file: reference" });
  }
  const connection = await connectRedis({
    config: counters,
    password: reference === undefined ? undefined : await readSecret(reference.slice("file:".length), uid),
    ca: caFile === undefined ? undefined : await readAuthorities(caFile),
    logger: log,
  });
  return connection;
}

async function readAuthorities(path: string): Promise<string> {
  try {
    return await readFile(path, "utf8");
  } catch (cause) {
    throw new RingwallError("config.invalid", { message: `counters.caFile: ${path} cannot be read`, cause });
  }
}

/** A password or key of Ringwall's own, from its 0600 file in the data directory. */
export async function readSecretFile({ dataDir, uid }: Runtime, name: string): Promise<PlainSecret> {
  return await readSecret(join(dataDir, "secrets", name), uid);
}

async function readSecret(path: string, uid: number | undefined): Promise<PlainSecret> {
  return new PlainSecret((await readPrivateFile(path, { bytesMax: SECRET_BYTES_MAX, uid })).trim());
}

/** The lines of one turn of a process's event loop in one write; and what is left when it ends. */
export function linesOfATurn(self: NodeJS.Process): LineJoining {
  return {
    later: (flush) => void setImmediate(flush),
    atExit: (flush) => void self.once("exit", flush),
  };
}

/**
 * Writes lines to a file that is open, at once. A line that cannot be written is dropped: a log on a full disk must not
 * end the process, and goes on when there is space again. (A stream of Node's ends for good with its first error.)
 */
export function lineWriter(fileDescriptor: number): (line: string) => void {
  return (line) => {
    try {
      writeSync(fileDescriptor, line);
    } catch {
      // Nowhere is left to say it.
    }
  };
}

/**
 * Starts, reports, and drains once, however many reasons to end arrive. Ends the process itself.
 * @param self - This process: its signals and its channel to the supervisor.
 * @param start - Starts everything; returns what takes it down again.
 */
export function runSupervised(self: NodeJS.Process, log: Logger, start: () => Promise<() => Promise<void>>): void {
  const { promise: started, resolve, reject } = Promise.withResolvers<() => Promise<void>>();
  let ending: Promise<void> | undefined;
  const drain = async (): Promise<void> => {
    try {
      const stop = await started;
      await stop();
      self.exit(0);
    } catch (error) {
      log.error({ err: error }, "the process did not end well");
      self.exit(1);
    }
  };
  const end = (): void => {
    ending ??= drain();
  };
  // Before anything is started, so that no signal finds the process without an answer.
  self.on("SIGTERM", end);
  self.on("disconnect", end);
  start().then(resolve, reject);
  started.then(
    () => void self.send?.({ ready: true }),
    (error: unknown) => {
      log.error({ err: error }, "the process cannot start");
      const final = error instanceof RingwallError && FINAL.has(error.code);
      if (final) self.send?.({ fatal: error.message.slice(0, FATAL_CHARS_MAX) });
      // What is left is a process that cannot serve; whatever it opened ends with it.
      self.exit(1);
    },
  );
}
