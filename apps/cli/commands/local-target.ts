import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { readPrivateFile } from "ringwall/adapters/files";
import type { Target } from "ringwall/adapters/postgres";
import { PlainSecret } from "ringwall/core";
import { z } from "zod";
import type { Input, Machine } from "../command.ts";
import { CommandFailed } from "../command.ts";
import { type ConfigFile, findConfigFile, readConfigFile } from "../config-file.ts";
import { type DataPaths, dataDirectory, dataPaths } from "../data-directory.ts";
import { type DatabaseTarget, databaseTarget } from "./database-target.ts";

const PASSWORD_BYTES_MAX = 4_096;

/** The roles that local commands work as. */
export type LocalRole = "ringwall_migrate" | "ringwall_app" | "ringwall_worker";
/** A PostgreSQL that is not ours. */
export type ExternalDatabase = Extract<DatabaseTarget, { readonly kind: "postgres" }>;

const PASSWORD_FIELDS = {
  ringwall_migrate: "migratePassword",
  ringwall_app: "appPassword",
  ringwall_worker: "workerPassword",
} as const;

const RunningPlace = z.object({
  postgres: z.object({ host: z.string(), port: z.int(), database: z.string() }).nullable(),
});

/**
 * Where to connect as one of Ringwall's own roles: the PostgreSQL that the configuration names, or the embedded one while a
 * supervisor keeps it running. Undefined for an embedded one that does not run.
 */
export async function localTarget(
  config: ConfigFile,
  paths: DataPaths,
  uid: number,
  role: LocalRole,
): Promise<Target | undefined> {
  const target = databaseTarget(config);
  if (target.kind === "embedded") return await embeddedTarget(paths, uid, role);
  return await externalTarget(target, role, await readPassword(passwordFile(target, paths, role), uid));
}

/** A PostgreSQL that is not ours, as any role. */
export async function externalTarget(place: ExternalDatabase, user: string, password: PlainSecret): Promise<Target> {
  // Loaded here, because most commands need no database driver.
  const { configuredTarget } = await import("ringwall/adapters/postgres");
  return await configuredTarget(place, user, async () => await Promise.resolve(password));
}

/** The file that holds a role's password. @throws CommandFailed when the configuration names something else. */
export function passwordFile(database: ExternalDatabase, paths: DataPaths, role: LocalRole): string {
  const field = PASSWORD_FIELDS[role];
  // A server's data directory never holds the password of the role that owns the schema.
  const reference = database[field] ?? (role === "ringwall_migrate" ? undefined : `file:${ownFile(paths, role)}`);
  if (reference?.startsWith("file:") === true) return reference.slice("file:".length);
  throw new CommandFailed(`database.${field} is missing, or is not a file`, {
    wayOut: `Name the file (mode 0600) that holds the password of ${role}: "file:/path"`,
  });
}

export async function readPassword(file: string, uid: number): Promise<PlainSecret> {
  return new PlainSecret((await readPrivateFile(file, { bytesMax: PASSWORD_BYTES_MAX, uid })).trim());
}

function ownFile(paths: DataPaths, role: LocalRole): string {
  return join(paths.secrets, `${role}.password`);
}

/** Where the embedded PostgreSQL listens, while it does. */
export function runningPlace(paths: DataPaths): { host: string; port: number; database: string } | undefined {
  const file = join(paths.run, "runtime.json");
  if (!existsSync(file)) return undefined;
  // Written by the supervisor; a stale one names a socket that is not there.
  const { postgres } = RunningPlace.parse(JSON.parse(readFileSync(file, "utf8")));
  if (postgres === null || !existsSync(join(postgres.host, `.s.PGSQL.${postgres.port}`))) return undefined;
  return postgres;
}

async function embeddedTarget(paths: DataPaths, uid: number, role: LocalRole): Promise<Target | undefined> {
  const postgres = runningPlace(paths);
  if (postgres === undefined) return undefined;
  const password = await readPassword(ownFile(paths, role), uid);
  return { ...postgres, user: role, credential: async () => await Promise.resolve(password) };
}

/** What a command with `--data` and `--config` works on. @throws CommandFailed when there is no configuration. */
export async function findInstallation(
  input: Input,
  machine: Machine,
): Promise<{ readonly paths: DataPaths; readonly config: ConfigFile }> {
  const paths = dataPaths(dataDirectory(input.text("data"), machine));
  const file = findConfigFile(input.text("config"), paths.root, machine);
  if (file === undefined) {
    throw new CommandFailed("there is no configuration file", {
      wayOut: "ringwall init writes one, or name it: --config FILE",
    });
  }
  return { paths, config: await readConfigFile(file, machine.uid) };
}

/** The database of a command with `--data` and `--config`. @throws CommandFailed when there is none, or it does not run. */
export async function findLocalTarget(input: Input, machine: Machine, role: LocalRole): Promise<Target> {
  const { paths, config } = await findInstallation(input, machine);
  const target = await localTarget(config, paths, machine.uid, role);
  if (target !== undefined) return target;
  throw new CommandFailed("the embedded PostgreSQL does not run", { wayOut: "ringwall start starts and migrates it." });
}
