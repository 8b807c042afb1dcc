/**
 * What a host application opens when it runs beside `ringwall start` instead of below it: the configuration and the data
 * directory that the commands made, as the parts that `createRingwall` is joined from.
 *
 * Guards: no secret is in the configuration; passwords and keys are read from 0600 files of this process's own user, each
 * when it is needed. Does not guard against whoever can act as the same user: an application that holds the master key
 * and the context key can do everything the layers can.
 *
 * Fails closed: a missing or open file is `config.invalid` with its name, and nothing is connected.
 *
 * @module
 */
import { existsSync } from "node:fs";
import { join } from "node:path";
import type { Target } from "./adapters/postgres/index.ts";
import { type Logger, RingwallError } from "./core/index.ts";
import type { RingwallConfig } from "./ringwall.ts";
import { type OpenParts, openParts, type Runtime, readRuntime, readRuntimeConfig, targetOf } from "./supervised.ts";

/** Where an installation is, and whose process this is. */
export interface InstallationPlace {
  /** The file that commands get as `--config`, in JSON. */
  readonly configFile: string;
  /** The folder that commands get as `--data`; of it an application needs `secrets` alone. */
  readonly dataDir: string;
  /** `process.getuid?.()`: files with secrets must be this user's or root's. */
  readonly uid: number | undefined;
  readonly log: Logger;
}

/** An installation that is open. Close it after everything that was made of its parts. */
export interface Installation {
  readonly config: RingwallConfig;
  /** Everything `createRingwall` wants but the clock. */
  readonly parts: OpenParts["parts"];
  /** How to connect as a role of the application's own, whose password is `secrets/ROLE.password`. */
  targetOf(role: string): Promise<Target>;
  close(): Promise<void>;
}

/**
 * Reads an installation for a process of the application's own.
 * @throws RingwallError `config.invalid`, naming the file or the field; `counters.unavailable`
 * @example
 * const installation = await openInstallation({ configFile, dataDir, uid: process.getuid?.(), log });
 * const ringwall = await createRingwall(installation.config, { ...installation.parts, clock: systemClock });
 */
export async function openInstallation({ configFile, dataDir, log, uid }: InstallationPlace): Promise<Installation> {
  const config = await readRuntimeConfig(configFile);
  const runtime = {
    configFile,
    dataDir,
    adminSocket: join(dataDir, "run", "admin.sock"),
    postgres: config.database.kind === "embedded" ? await embeddedPlace(dataDir, uid) : null,
    ports: { api: 0, bank: null, gateway: null },
    uid,
  } satisfies Runtime;
  const { close, parts } = await openParts(runtime, config, log);
  return {
    config,
    parts,
    targetOf: async (role) => await targetOf(runtime, config, role),
    close,
  };
}

/** Where the supervisor's own PostgreSQL listens while it runs. */
async function embeddedPlace(dataDir: string, uid: number | undefined): Promise<Runtime["postgres"]> {
  const file = join(dataDir, "run", "runtime.json");
  if (!existsSync(file)) {
    throw new RingwallError("config.invalid", { message: `the embedded PostgreSQL of ${dataDir} does not run` });
  }
  return (await readRuntime(file, uid)).runtime.postgres;
}
