import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { Client } from "pg";
import { startEmbeddedPostgres } from "../../src/adapters/embedded-postgres/index.ts";
import { randomToken, silentLogger } from "../../src/core/index.ts";

/** How to reach one database as one role. Fits `Pool` as it is. */
export interface Access {
  readonly host: string;
  readonly port: number;
  readonly database: string;
  readonly user: string;
  readonly password: string;
}

/** One PostgreSQL for all variants, with a database for each. Durable: fsync and synchronous commit are on. */
export interface Cluster {
  /** The postmaster, whose CPU time with all its children is measured. */
  readonly pid: number;
  readonly superuser: Access;
  /** Creates an empty database and the role that owns it. */
  createDatabase(name: string): Promise<Access>;
  /** Creates a role that may sign in and owns nothing. */
  createRole(name: string): Promise<Pick<Access, "user" | "password">>;
  stop(): Promise<void>;
}

/** Utility statements take no bind parameters, so the server itself quotes them. */
const CREATE_ROLE =
  "select format('create role %I login nosuperuser nobypassrls password %L', $1::text, $2::text) as text";
const CREATE_DATABASE = "select format('create database %I owner %I', $1::text, $2::text) as text";

/** Starts PostgreSQL on a fresh folder that is removed at the end. */
export async function startCluster(): Promise<Cluster> {
  const folder = mkdtempSync(path.join(tmpdir(), "ringwall-bench-"));
  chmodSync(folder, 0o755);
  const server = await startEmbeddedPostgres({
    dataDir: path.join(folder, "data"),
    settings: { max_connections: "200" },
    log: silentLogger,
  });
  const at = { host: server.host, port: server.port };
  const superuser = {
    ...at,
    database: "postgres",
    user: server.superuser,
    password: server.superuserPassword().open(),
  };
  const owner = new Client(superuser);
  await owner.connect();

  const utility = async (format: string, values: readonly string[]): Promise<void> => {
    const { rows } = await owner.query<{ text: string }>(format, [...values]);
    for (const { text } of rows) await owner.query(text);
  };
  const createRole = async (user: string): Promise<Pick<Access, "user" | "password">> => {
    const password = randomToken();
    await utility(CREATE_ROLE, [user, password]);
    return { user, password };
  };
  return {
    pid: server.pid,
    superuser,
    createRole,
    async createDatabase(name) {
      const role = await createRole(`${name}_owner`);
      await utility(CREATE_DATABASE, [name, role.user]);
      return { ...at, database: name, ...role };
    },
    async stop() {
      await owner.end();
      await server.stop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
