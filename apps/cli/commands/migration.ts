import { existsSync } from "node:fs";
import { join } from "node:path";
import { type PlainSecret, randomToken } from "ringwall/core";
import {
  type ApplicationMigrations,
  checkServerVersion,
  installContextKey,
  installDatabase,
  installRoles,
  MIGRATIONS,
  migrate,
} from "ringwall/migrations";
import type { Context, Input } from "../command.ts";
import { CommandFailed, UsageError } from "../command.ts";
import { type DataPaths, prepareDataDirectory } from "../data-directory.ts";
import { keptSecret } from "../private-file.ts";
import { loadApplicationMigrations } from "./application-migrations.ts";
import { databaseTarget } from "./database-target.ts";
import { newContextKey, parseContextKey } from "./key-files.ts";
import {
  type ExternalDatabase,
  externalTarget,
  findInstallation,
  findLocalTarget,
  type LocalRole,
  passwordFile,
  readPassword,
} from "./local-target.ts";
import { asOwner } from "./owner-connection.ts";

type Sql = Parameters<Parameters<typeof asOwner>[1]>[0];

/** What a superuser is asked to set up. */
interface Setup {
  readonly user: string;
  readonly passwordFile: string;
  readonly client: string | undefined;
}

const MAINTENANCE_DATABASE = "postgres";
const CLIENT_PATTERN = /^[a-z_][a-z0-9_]{0,62}$/;

/** Sets up roles and database when asked to, then migrates. Returns the names of what was applied. */
export async function migrateLocally(
  input: Input,
  context: Context,
  { module, setup }: { readonly module: string | undefined; readonly setup: Setup | undefined },
): Promise<readonly string[]> {
  const { machine } = context;
  // Loaded before anything is changed, so that a wrong module leaves everything as it was.
  const applications: ApplicationMigrations[] = module === undefined ? [] : [await loadApplicationMigrations(module)];
  if (setup !== undefined) {
    const { paths, config } = await findInstallation(input, machine);
    const database = databaseTarget(config);
    if (database.kind === "embedded") {
      throw new UsageError(
        "--admin-password is for a PostgreSQL of your own; an embedded one is set up by every start",
      );
    }
    await setUp(database, prepareDataDirectory(paths.root, machine.uid), machine.uid, setup);
  }
  const owner = await findLocalTarget(input, machine, "ringwall_migrate");
  const applied = await asOwner(owner, (db) => migrate(db, MIGRATIONS, applications));
  if (setup !== undefined) await keepContextKey(input, context);
  return applied;
}

/** As superuser: roles, passwords and the database. Doing it again sets the same. */
async function setUp(database: ExternalDatabase, paths: DataPaths, uid: number, setup: Setup): Promise<void> {
  const { client } = setup;
  if (client !== undefined && !CLIENT_PATTERN.test(client)) throw new UsageError("--client is not a role's name");
  const admin = await externalTarget(database, setup.user, await readPassword(setup.passwordFile, uid));
  await asOwner({ ...admin, database: MAINTENANCE_DATABASE }, async (db) => {
    await checkServerVersion(db);
    await checkSuperuser(db, setup.user);
    const password = (role: string, file: string): Promise<PlainSecret> => rolePassword(db, role, file, uid);
    const own = (role: LocalRole): Promise<PlainSecret> => password(role, passwordFile(database, paths, role));
    await installRoles(db, {
      database: database.database,
      passwords: {
        ringwall_migrate: await own("ringwall_migrate"),
        ringwall_app: await own("ringwall_app"),
        ringwall_worker: await own("ringwall_worker"),
      },
      clients:
        client === undefined
          ? []
          : [{ role: client, password: await password(client, join(paths.secrets, `${client}.password`)) }],
      cluster: "shared",
    });
  });
  await asOwner(admin, installDatabase);
}

async function checkSuperuser(db: Sql, user: string): Promise<void> {
  const roles = db.withTables<{ pg_roles: { rolname: string; rolsuper: boolean } }>().selectFrom("pg_roles");
  const [row] = await roles.select("rolsuper").where("rolname", "=", user).execute();
  if (row?.rolsuper === true) return;
  throw new CommandFailed(`${user} is not a superuser of this PostgreSQL`, {
    wayOut: "Name one: --admin-user NAME. It makes a role with BYPASSRLS and hides the texts of functions.",
  });
}

/** A password of a role that exists is never replaced by a new one: others may be using it. */
async function rolePassword(db: Sql, role: string, file: string, uid: number): Promise<PlainSecret> {
  if (!existsSync(file)) {
    const roles = db.withTables<{ pg_roles: { rolname: string } }>().selectFrom("pg_roles");
    const rows = await roles.select("rolname").where("rolname", "=", role).execute();
    if (rows.length > 0) {
      throw new CommandFailed(`the role ${role} exists, and there is no ${file} with its password`, {
        wayOut: "Copy the file from where the role was made, or write a new password into it (mode 0600).",
      });
    }
  }
  return await keptSecret(file, uid, randomToken);
}

/** Installs the context key of this data directory; a new one is made only for a database that has none. */
async function keepContextKey(input: Input, { machine }: Context): Promise<void> {
  const { paths } = await findInstallation(input, machine);
  const owner = await findLocalTarget(input, machine, "ringwall_migrate");
  await asOwner(owner, async (db) => {
    const keys = db.withTables<{ "ringwall.context_key": { kid: string } }>().selectFrom("ringwall.context_key");
    const live = await keys.select("kid").execute();
    if (live.length > 0 && !existsSync(paths.contextKey)) {
      throw new CommandFailed(`the database has a context key, and there is no ${paths.contextKey}`, {
        wayOut: "Copy the file from the server that made it: all servers of one database share it.",
      });
    }
    const key = parseContextKey(await keptSecret(paths.contextKey, machine.uid, newContextKey));
    await installContextKey(db, key);
  });
}
