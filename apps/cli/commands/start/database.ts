import { existsSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import {
  type EmbeddedPostgres,
  spaceMissing,
  startEmbeddedPostgres,
  superuserOf,
} from "ringwall/adapters/embedded-postgres";
import type { Target } from "ringwall/adapters/postgres";
import { type Logger, type PlainSecret, RingwallError, randomToken } from "ringwall/core";
import { installContextKey, installDatabase, installRoles, MIGRATIONS, migrate } from "ringwall/migrations";
import { CommandFailed } from "../../command.ts";
import type { DataPaths } from "../../data-directory.ts";
import { keptSecret } from "../../private-file.ts";
import { loadApplicationMigrations } from "../application-migrations.ts";
import { newContextKey, parseContextKey } from "../key-files.ts";
import { asOwner } from "../owner-connection.ts";
import type { Runtime } from "./runtime.ts";
import type { Service } from "./supervise.ts";

/** The database that Ringwall's schema lives in, when PostgreSQL is ours. */
const DATABASE = "ringwall";
const MAINTENANCE_DATABASE = "postgres";
/** The example's login role. Its password moves into the secret store; the file is only for the hand-over. */
const EXAMPLE_ROLE = "bank_app";
const SPACE_POLL_MS = 1_000;

export interface EmbeddedDatabase {
  readonly service: Service;
  /** Where it listens; known once the service is ready. */
  place(): NonNullable<Runtime["postgres"]>;
  /** The superuser there; known once the service is ready. For setting up and for copies of everything. */
  superuser(): Target;
}

/** What an installation is made of. */
export interface Installation {
  readonly paths: DataPaths;
  readonly uid: number;
  readonly say: (line: string) => void;
  /** Modules that export a host application's migrations; they run after Ringwall's own. */
  readonly applications: readonly string[];
}

/**
 * The embedded PostgreSQL as a service: ready when roles, database, schema, context key and the host applications'
 * tables are as this version wants.
 */
export function embeddedDatabase(installation: Installation): EmbeddedDatabase {
  const { paths, say } = installation;
  let place: Runtime["postgres"] = null;
  return {
    service: {
      name: "PostgreSQL",
      async start(stopping) {
        // It was running: its disk filled up, and somebody is going to make room.
        if (place !== null) await untilSpace(paths, stopping, say);
        const postgres = await startFinal(paths, say);
        try {
          await install(installation, postgres);
        } catch (error) {
          await postgres.stop();
          throw finalFailure(error);
        }
        place = { host: postgres.host, port: postgres.port, database: DATABASE };
        return {
          exited: postgres.exited.then(async () => {
            // Gives its folder back, so that it can be started again.
            await postgres.stop();
            return "it is gone; its log says why";
          }),
          stop: () => postgres.stop(),
          kill: () => {
            // An immediate shutdown: PostgreSQL recovers from its log at the next start.
            // tidy-allow(process): PostgreSQL is our own child; its immediate shutdown is this signal.
            process.kill(postgres.pid, "SIGQUIT");
          },
        };
      },
    },
    place() {
      if (place === null) throw new CommandFailed("PostgreSQL is not ready");
      return place;
    },
    superuser() {
      if (place === null) throw new CommandFailed("PostgreSQL is not ready");
      const { user, password } = superuserOf(paths.postgres);
      return { ...place, user, credential: async () => await Promise.resolve(password) };
    },
  };
}

async function untilSpace(paths: DataPaths, stopping: AbortSignal, say: Installation["say"]): Promise<void> {
  const missing = spaceMissing(paths.postgres);
  if (missing !== undefined) say(`PostgreSQL ... waiting: ${missing}`);
  while (!stopping.aborted && spaceMissing(paths.postgres) !== undefined) {
    await delay(SPACE_POLL_MS, undefined, { signal: stopping }).catch(() => {});
  }
}

async function startFinal(paths: DataPaths, say: (line: string) => void): Promise<EmbeddedPostgres> {
  const log: Logger = { info() {}, warn: (_facts, message) => say(message), error: (_facts, message) => say(message) };
  try {
    return await startEmbeddedPostgres({ dataDir: paths.postgres, log });
  } catch (error) {
    throw finalFailure(error);
  }
}

/** An outage may pass; anything else is the same at the next attempt. */
function finalFailure(error: unknown): unknown {
  if (!(error instanceof RingwallError)) return error;
  if (error.code === "database.unavailable") return error;
  return new CommandFailed(`PostgreSQL: ${error.message}`, { cause: error });
}

async function install({ paths, uid, say, applications }: Installation, at: EmbeddedPostgres): Promise<void> {
  const secret = (name: string): Promise<PlainSecret> => keptSecret(join(paths.secrets, name), uid, randomToken);
  const passwords = {
    ringwall_migrate: await secret("ringwall_migrate.password"),
    ringwall_app: await secret("ringwall_app.password"),
    ringwall_worker: await secret("ringwall_worker.password"),
  };
  const as = (user: string, password: PlainSecret): Target => ({
    host: at.host,
    port: at.port,
    database: DATABASE,
    user,
    credential: async () => await Promise.resolve(password),
  });
  const superuser = as(at.superuser, at.superuserPassword());
  await asOwner({ ...superuser, database: MAINTENANCE_DATABASE }, async (db) => {
    const clients = await newClients(db, paths, secret);
    await installRoles(db, { database: DATABASE, passwords, clients, cluster: "own" });
  });
  await asOwner(superuser, installDatabase);
  const owner = as("ringwall_migrate", passwords.ringwall_migrate);
  const contextKey = parseContextKey(await keptSecret(paths.contextKey, uid, newContextKey));
  const modules = await Promise.all(applications.map(loadApplicationMigrations));
  await asOwner(owner, async (db) => {
    const applied = await migrate(db, MIGRATIONS, modules);
    if (applied.length > 0) say(`PostgreSQL ... migrated (${applied.join(", ")})`);
    await installContextKey(db, contextKey);
  });
}

/**
 * The example's role, unless it exists and its password has moved into the secret store: setting the first password
 * again would undo every rotation since.
 */
async function newClients(
  db: Parameters<Parameters<typeof asOwner>[1]>[0],
  paths: DataPaths,
  secret: (name: string) => Promise<PlainSecret>,
): Promise<readonly { role: string; password: PlainSecret }[]> {
  const file = `${EXAMPLE_ROLE}.password`;
  const roles = db.withTables<{ pg_roles: { rolname: string } }>().selectFrom("pg_roles");
  const rows = await roles.select("rolname").where("rolname", "=", EXAMPLE_ROLE).execute();
  if (rows.length > 0 && !existsSync(join(paths.secrets, file))) return [];
  return [{ role: EXAMPLE_ROLE, password: await secret(file) }];
}
