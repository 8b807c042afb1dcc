import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { PlainSecret } from "ringwall/core";
import { z } from "zod";
import type { Input, Machine } from "../command.ts";
import { CommandFailed } from "../command.ts";
import { type ConfigFile, findConfigFile, readConfigFile } from "../config-file.ts";
import { type DataPaths, dataDirectory, dataPaths } from "../data-directory.ts";
import { readPrivateFile } from "../private-file.ts";
import { databaseTarget } from "./database-target.ts";
import type { OwnerTarget } from "./owner-connection.ts";

const PASSWORD_BYTES_MAX = 4_096;

/** The roles that local commands work as. */
export type LocalRole = "ringwall_migrate" | "ringwall_worker";

const RunningPlace = z.object({
  postgres: z.object({ host: z.string(), port: z.int(), database: z.string() }).nullable(),
});

/**
 * Where to connect as one of Ringwall's own roles: the PostgreSQL that the configuration names, or the embedded one while a
 * supervisor keeps it running. Undefined for an embedded one that does not run.
 */
export function localTarget(
  config: ConfigFile,
  paths: DataPaths,
  uid: number,
  role: LocalRole,
): OwnerTarget | undefined {
  const target = databaseTarget(config);
  if (target.kind === "embedded") return embeddedTarget(paths, uid, role);
  // A server's data directory holds the worker's password and never the migrating role's, which owns the schema.
  const named = role === "ringwall_migrate" ? target.migratePassword : `file:${passwordFile(paths, role)}`;
  if (named === undefined || !named.startsWith("file:")) {
    throw new CommandFailed("database.migratePassword is missing, or is not a file", {
      wayOut: `Name the file (mode 0600) that holds the password of ${role}: "file:/path"`,
    });
  }
  const password = readPrivateFile(named.slice("file:".length), PASSWORD_BYTES_MAX, uid).trim();
  return {
    host: target.host,
    port: target.port,
    database: target.database,
    user: role,
    password: new PlainSecret(password),
    ...(target.caFile === undefined ? {} : { caFile: target.caFile }),
  };
}

function passwordFile(paths: DataPaths, role: LocalRole): string {
  return join(paths.secrets, `${role}.password`);
}

function embeddedTarget(paths: DataPaths, uid: number, role: LocalRole): OwnerTarget | undefined {
  const file = join(paths.run, "runtime.json");
  if (!existsSync(file)) return undefined;
  // Written by the supervisor; a stale one names a socket that is not there.
  const { postgres } = RunningPlace.parse(JSON.parse(readFileSync(file, "utf8")));
  if (postgres === null || !existsSync(join(postgres.host, `.s.PGSQL.${postgres.port}`))) return undefined;
  const password = readPrivateFile(passwordFile(paths, role), PASSWORD_BYTES_MAX, uid).trim();
  return { ...postgres, user: role, password: new PlainSecret(password) };
}

/** The same, for a command with `--data` and `--config`. @throws CommandFailed when there is no configuration, or nothing runs. */
export async function findLocalTarget(input: Input, machine: Machine, role: LocalRole): Promise<OwnerTarget> {
  const paths = dataPaths(dataDirectory(input.text("data"), machine));
  const file = findConfigFile(input.text("config"), paths.root, machine);
  if (file === undefined) {
    throw new CommandFailed("there is no configuration file", {
      wayOut: "ringwall init writes one, or name it: --config FILE",
    });
  }
  const target = localTarget(await readConfigFile(file, machine.uid), paths, machine.uid, role);
  if (target !== undefined) return target;
  throw new CommandFailed("the embedded PostgreSQL does not run", { wayOut: "ringwall start starts and migrates it." });
}
