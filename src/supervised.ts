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
import { awsKmsMaster } from "./adapters/aws/index.ts";
import { openMasterKeyFile, readPrivateFile } from "./adapters/files/index.ts";
import { transitMaster } from "./adapters/openbao/index.ts";
import { pkcs11Master } from "./adapters/pkcs11/index.ts";
import { configuredTarget, type Target } from "./adapters/postgres/index.ts";
import { connectRedis } from "./adapters/redis/index.ts";
import {
  type CounterStore,
  type ErrorCode,
  type Logger,
  type Mode,
  PlainSecret,
  parseConfig,
  RingwallError,
  unreachable,
} from "./core/index.ts";
import type { MasterKey, MasterKeyConfig } from "./data/keys/index.ts";
import { type ContextSigner, contextSigner, replaceableSigner } from "./data/tenants/index.ts";
import type { LineJoining } from "./perimeter/index.ts";
import { RingwallConfig, type RingwallParts } from "./ringwall.ts";

/** What the supervisor tells its children, in the file that is their only argument. It holds no secret. */
export const Runtime = z.object({
  configFile: z.string(),
  dataDir: z.string(),
  adminSocket: z.string(),
  postgres: z.object({ host: z.string(), port: z.int(), database: z.string() }).nullable(),
  ports: z.object({ api: z.int(), bank: z.int().nullable(), gateway: z.int().nullable().default(null) }),
});
/** `uid` is this process's user, where there is such a thing: files with secrets must be its own or root's. */
export type Runtime = z.output<typeof Runtime> & { readonly uid: number | undefined };

/** An RSA key of 4,096 bits has 3,300 bytes as PEM; nothing that is kept in such a file is longer. */
const SECRET_BYTES_MAX = 8_192;

/** Where the example bank takes what the gateway forwards: a socket in a folder that only its owner enters. */
export function bankSocket({ dataDir }: Pick<Runtime, "dataDir">): string {
  return join(dataDir, "run", "bank.sock");
}

/** The configuration as its processes run with it: in development, without routes, the gateway leads to the example bank. */
export function withBankRoute(config: RingwallConfig, runtime: Pick<Runtime, "dataDir" | "ports">): RingwallConfig {
  const { gateway, mode } = config;
  if (gateway.routes.length > 0 || mode !== "development" || runtime.ports.bank === null) return config;
  const route = {
    name: "bank",
    host: "localhost",
    upstream: `unix:${bankSocket(runtime)}`,
    mode: "ringwall",
    access: "signed-in",
  };
  return parseConfig(RingwallConfig, { ...config, gateway: { ...gateway, routes: [route] } });
}

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
  return { runtime, config: await readRuntimeConfig(runtime.configFile) };
}

/** @throws RingwallError `config.invalid`, naming the file or the field */
export async function readRuntimeConfig(configFile: string): Promise<RingwallConfig> {
  return parseConfig(RingwallConfig, await readJson(configFile));
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

/** How soon a process signs with a key that was put into the file. Well below the 30 s that a context lives. */
const SIGNER_POLL_MS = 1_000;

/** The key that signs tenant contexts, as `kid:base64url` in its file. */
export async function readSigner(runtime: Runtime): Promise<ContextSigner> {
  const text = (await readSecretFile(runtime, "context.key")).open();
  const colon = text.indexOf(":");
  return contextSigner({ kid: text.slice(0, colon), key: Buffer.from(text.slice(colon + 1), "base64url") });
}

/**
 * Signs with the key in the file, and within a second with one that replaces it there. A file that cannot be read leaves
 * the key in use: the database verifies it until the next rotation.
 * @throws RingwallError `config.invalid` when there is no key to begin with.
 */
export async function followSigner(
  runtime: Runtime,
  log: Logger,
): Promise<{ readonly signer: ContextSigner; readonly close: () => void }> {
  const signer = replaceableSigner(await readSigner(runtime));
  let warned = false;
  const look = async (): Promise<void> => {
    try {
      const before = signer.kid;
      signer.replace(await readSigner(runtime));
      if (signer.kid !== before) log.info({ kid: signer.kid }, "tenant contexts are signed with a new key");
      warned = false;
    } catch (error) {
      if (!warned) log.warn({ err: error }, "the file of the context key cannot be read; the key before it is used on");
      warned = true;
    }
  };
  const timer = setInterval(() => void look(), SIGNER_POLL_MS).unref();
  return { signer, close: () => clearInterval(timer) };
}

/**
 * Opens the configured master key, or the software one of the data directory. Only that one is ever made here: the
 * others are made where they live, by who is allowed to.
 */
function masterOpener(runtime: Pick<Runtime, "dataDir" | "uid">, { data, mode }: RingwallConfig): MasterOpener {
  const config = data?.masterKey ?? {
    kind: "software",
    file: join(runtime.dataDir, "secrets", "master.key"),
    allowInProduction: false,
  };
  return openerOf(config, "data.masterKey", { mode, uid: runtime.uid });
}

/** @param field - Where the configuration names the key, for errors. */
function openerOf(
  config: MasterKeyConfig,
  field: string,
  { mode, uid }: { readonly mode: Mode; readonly uid: number | undefined },
): MasterOpener {
  const secret = (name: string, reference: string) => async () =>
    await readReference(`${field}.${name}`, reference, uid);
  switch (config.kind) {
    case "software": {
      const { file, allowInProduction } = config;
      return async (mayCreate) =>
        await openMasterKeyFile({ file, mode, allowInProduction, mayCreate, ...(uid === undefined ? {} : { uid }) });
    }
    case "pkcs11":
      return async () => await pkcs11Master({ ...config, pin: secret("pin", config.pin) });
    case "aws-kms": {
      const { credentials } = config;
      if (credentials === undefined) return async () => await awsKmsMaster({ ...config, credentials: undefined });
      const secretAccessKey = secret("credentials.secretAccessKey", credentials.secretAccessKey);
      return async () =>
        await awsKmsMaster({ ...config, credentials: { accessKeyId: credentials.accessKeyId, secretAccessKey } });
    }
    case "transit":
      return async () =>
        await transitMaster({
          ...config,
          ca: config.caFile === undefined ? undefined : await readAuthorities(`${field}.caFile`, config.caFile),
          credential:
            config.credential.kind === "token"
              ? { kind: "token", token: secret("credential.token", config.credential.token) }
              : { ...config.credential, secretId: secret("credential.secretId", config.credential.secretId) },
        });
    default:
      return unreachable(config);
  }
}

/** Opens the master key. A new one may be made only for a database that has no keys yet. */
export type MasterOpener = (mayCreate: boolean) => Promise<MasterKey>;

/** What opens the store cannot be in it. */
async function readReference(field: string, reference: string, uid: number | undefined): Promise<PlainSecret> {
  if (!reference.startsWith("file:")) {
    throw new RingwallError("config.invalid", { message: `${field} must be a file: reference` });
  }
  return await readSecret(reference.slice("file:".length), uid);
}

/** Opens the master keys that were in use before; none of them is made when it is missing. */
function previousMastersOpener(
  runtime: Pick<Runtime, "uid">,
  { data, mode }: RingwallConfig,
): () => Promise<MasterKey[]> {
  return async () => {
    const opened: MasterKey[] = [];
    try {
      for (const [nth, config] of (data?.previousMasterKeys ?? []).entries()) {
        const open = openerOf(config, `data.previousMasterKeys[${String(nth)}]`, { mode, uid: runtime.uid });
        opened.push(await open(false));
      }
      return opened;
    } catch (error) {
      for (const master of opened) await master.close?.();
      throw error;
    }
  };
}

/**
 * The configured master key and those before it, together: a process with one and not the others cannot open what is still
 * to be wrapped anew.
 */
export function masterKeysOf(
  runtime: Pick<Runtime, "dataDir" | "uid">,
  config: RingwallConfig,
): Required<Pick<RingwallParts, "openMaster" | "openPreviousMasters">> {
  return {
    openMaster: masterOpener(runtime, config),
    openPreviousMasters: previousMastersOpener(runtime, config),
  };
}

/** What `createRingwall` stands on but the clock, opened. */
export interface OpenParts {
  readonly parts: Omit<RingwallParts, "clock"> & { readonly counters: CounterStore | undefined };
  /** After everything that stands on them was closed. */
  readonly close: () => Promise<void>;
}

/**
 * Opens what every process of an installation stands on, in one place, so that none of them leaves something out.
 * @throws RingwallError `config.invalid`; `counters.unavailable`
 */
export async function openParts(runtime: Runtime, config: RingwallConfig, log: Logger): Promise<OpenParts> {
  const target = await targetOf(runtime, config, "ringwall_app");
  const { close, signer } = await followSigner(runtime, log);
  const shared = await openCounters(config, { log, uid: runtime.uid });
  const { counters } = shared;
  return {
    parts: { target, signer, ...masterKeysOf(runtime, config), counters, log },
    close: async () => {
      close();
      await shared.close();
    },
  };
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
    ca: caFile === undefined ? undefined : await readAuthorities("counters.caFile", caFile),
    logger: log,
  });
  return connection;
}

async function readAuthorities(field: string, path: string): Promise<string> {
  try {
    return await readFile(path, "utf8");
  } catch (cause) {
    throw new RingwallError("config.invalid", { message: `${field}: ${path} cannot be read`, cause });
  }
}

/** A password or key of Ringwall's own, from its 0600 file in the data directory. */
export async function readSecretFile({ dataDir, uid }: Runtime, name: string): Promise<PlainSecret> {
  return await readSecret(join(dataDir, "secrets", name), uid);
}

/** A password or key in a private file of its own, wherever it is. @throws RingwallError `config.invalid` */
export async function readSecret(path: string, uid: number | undefined): Promise<PlainSecret> {
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
