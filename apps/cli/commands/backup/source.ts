import { existsSync, readdirSync, readFileSync } from "node:fs";
import { basename, join, resolve } from "node:path";
import { RingwallConfig } from "ringwall";
import { superuserOf } from "ringwall/adapters/embedded-postgres";
import type { Target } from "ringwall/adapters/postgres";
import { parseConfig } from "ringwall/core";
import type { Input, Machine } from "../../command.ts";
import { CommandFailed, UsageError } from "../../command.ts";
import type { ConfigFile } from "../../config-file.ts";
import type { DataPaths } from "../../data-directory.ts";
import { databaseTarget } from "../database-target.ts";
import { externalTarget, readPassword, runningPlace } from "../local-target.ts";

const ADMIN_USER = "postgres";

/** The database as its superuser: of a PostgreSQL of one's own by the options, of the embedded one while it runs. */
export async function superuserTarget(
  input: Input,
  machine: Machine,
  { config, paths }: { readonly config: ConfigFile; readonly paths: DataPaths },
): Promise<Target> {
  const database = databaseTarget(config);
  const file = input.text("admin-password");
  if (database.kind === "postgres") {
    if (file === undefined) {
      throw new UsageError("--admin-password FILE is missing: nobody but a superuser sees all rows");
    }
    const password = await readPassword(resolve(machine.cwd, file), machine.uid);
    return await externalTarget(database, input.text("admin-user") ?? ADMIN_USER, password);
  }
  const place = runningPlace(paths);
  if (place === undefined) {
    throw new CommandFailed("the embedded PostgreSQL does not run", { wayOut: "ringwall start starts it." });
  }
  const { user, password } = superuserOf(paths.postgres);
  return { ...place, user, credential: async () => await Promise.resolve(password) };
}

/** The files without which the database is worth nothing, under their names in a data directory. */
export function keyFiles(paths: DataPaths, config: ConfigFile): ReadonlyMap<string, Buffer> {
  const files = new Map<string, Buffer>();
  const add = (name: string, path: string): void => {
    if (existsSync(path)) files.set(name, readFileSync(path));
  };
  for (const folder of ["secrets", "audit-heads"]) {
    const at = join(paths.root, folder);
    if (!existsSync(at)) continue;
    for (const name of readdirSync(at)) add(`${folder}/${name}`, join(at, name));
  }
  const parsed = parseConfig(RingwallConfig, config.content);
  const { headsFolder, signingKey } = parsed.monitoring.audit;
  if (parsed.data?.masterKey.kind === "software") add("secrets/master.key", parsed.data.masterKey.file);
  if (signingKey?.startsWith("file:") === true) add("secrets/audit.key", signingKey.slice("file:".length));
  if (headsFolder !== undefined && existsSync(headsFolder)) {
    for (const name of readdirSync(headsFolder)) add(`audit-heads/${basename(name)}`, join(headsFolder, name));
  }
  files.set("ringwall.config.json", Buffer.from(`${JSON.stringify(config.content, undefined, 2)}\n`));
  return files;
}
