import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { PlainSecret } from "ringwall/core";
import { z } from "zod";
import { CommandFailed } from "../command.ts";
import type { ConfigFile } from "../config-file.ts";
import type { DataPaths } from "../data-directory.ts";
import { readPrivateFile } from "../private-file.ts";
import { databaseTarget } from "./database-target.ts";
import type { OwnerTarget } from "./owner-connection.ts";

const PASSWORD_BYTES_MAX = 4_096;
const ROLE = "ringwall_migrate";

const RunningPlace = z.object({
  postgres: z.object({ host: z.string(), port: z.int(), database: z.string() }).nullable(),
});

/**
 * Where to connect as ringwall_migrate: the PostgreSQL that the configuration names, or the embedded one while a
 * supervisor keeps it running. Undefined for an embedded one that does not run.
 */
export function migrateTarget(config: ConfigFile, paths: DataPaths, uid: number): OwnerTarget | undefined {
  const target = databaseTarget(config);
  if (target.kind === "embedded") return embeddedTarget(paths, uid);
  const reference = target.migratePassword;
  if (reference === undefined || !reference.startsWith("file:")) {
    throw new CommandFailed("database.migratePassword is missing, or is not a file", {
      wayOut: `Name the file (mode 0600) that holds the password of ${ROLE}: "file:/path"`,
    });
  }
  const password = readPrivateFile(reference.slice("file:".length), PASSWORD_BYTES_MAX, uid).trim();
  return {
    host: target.host,
    port: target.port,
    database: target.database,
    user: ROLE,
    password: new PlainSecret(password),
    ...(target.caFile === undefined ? {} : { caFile: target.caFile }),
  };
}

function embeddedTarget(paths: DataPaths, uid: number): OwnerTarget | undefined {
  const file = join(paths.run, "runtime.json");
  if (!existsSync(file)) return undefined;
  // Written by the supervisor; a stale one names a socket that is not there.
  const { postgres } = RunningPlace.parse(JSON.parse(readFileSync(file, "utf8")));
  if (postgres === null || !existsSync(join(postgres.host, `.s.PGSQL.${postgres.port}`))) return undefined;
  const password = readPrivateFile(join(paths.secrets, `${ROLE}.password`), PASSWORD_BYTES_MAX, uid).trim();
  return { ...postgres, user: ROLE, password: new PlainSecret(password) };
}
