import { Client, type ClientConfig, DatabaseError, Pool } from "pg";
import { inject } from "vitest";
import { closeDatabase } from "../../migrations/index.ts";
import {
  openSql,
  type PostgresBus,
  type PostgresDatabase,
  postgresBus,
  postgresDatabase,
  type Target,
} from "../adapters/postgres/index.ts";
import {
  type Clock,
  PlainSecret,
  randomToken,
  silentLogger,
  systemClock,
  type TenantId,
  tenantId,
} from "../core/index.ts";
import { CONTEXT_LIFE_MS, type ContextKey, type ContextSigner, contextSigner } from "../data/tenants/index.ts";
import type { TestServer } from "./servers/template.ts";

/**
 * Signs contexts by the real time, whatever a test's clock says: the database compares with its own, which no test moves.
 */
export function presentSigner(key: ContextKey): ContextSigner {
  const signer = contextSigner(key);
  return { ...signer, sign: (tenant, pid) => signer.sign(tenant, pid, systemClock() + CONTEXT_LIFE_MS) };
}

/** Tests plant and inspect at the same time. */
const OWNER_CONNECTIONS = 3;

/** A migrated database of a test's own, as each of the roles that reach it. */
export interface TestDatabase {
  /** As `ringwall_app`. */
  readonly database: PostgresDatabase;
  /** As `ringwall_worker`. */
  readonly worker: PostgresDatabase;
  /** As `bank_app`, the login of a host application, a member of `ringwall_client`. */
  readonly client: PostgresDatabase;
  /** As superuser, for planting and inspecting. */
  readonly owner: {
    // oxlint-disable-next-line typescript/no-unnecessary-type-parameters -- the test names the row type it asked for
    query<Row extends object = Record<string, unknown>>(
      text: string,
      values?: readonly unknown[],
    ): Promise<readonly Row[]>;
  };
  readonly bus: PostgresBus;
  readonly clock: Clock;
  readonly name: string;
  readonly contextKey: ContextKey;
  /** How to connect as a role, with its password. */
  target(role: string): Target;
  /** Registers an active tenant. */
  createTenant(id: string, name?: string): Promise<TenantId>;
  close(): Promise<void>;
}

/**
 * Copies the template database of the run's server, or of the one given, which takes some tens of milliseconds. Its clock is the system's, because the
 * database compares contexts with its own; code under test gets whatever clock the test wants.
 */
export async function testDatabase(
  options: { connectionsMax?: number; server?: TestServer } = {},
): Promise<TestDatabase> {
  const { server = inject("ringwallPostgres"), ...pool } = options;
  const name = `test_${randomToken(9)
    .replaceAll(/[^A-Za-z0-9]/g, "x")
    .toLowerCase()}`;
  await createCopy(server, name);
  const target = targets(server, name);
  const contextKey = { kid: server.contextKey.kid, key: Buffer.from(server.contextKey.keyHex, "hex") };
  const signer = contextSigner(contextKey);
  const as = (role: string): PostgresDatabase =>
    postgresDatabase({ target: target(role), signer, clock: systemClock, ...pool });
  const [database, worker, client] = [as("ringwall_app"), as("ringwall_worker"), as("bank_app")];
  const owner = new Pool({ ...clientConfig(server, name), max: OWNER_CONNECTIONS });
  // A connection that is just ending is told when its database is dropped; that is no failure of a test.
  owner.on("connect", (client) => {
    client.on("error", () => {});
  });
  const bus = await postgresBus({ target: target("ringwall_app"), signer, log: silentLogger });
  return {
    database,
    worker,
    client,
    bus,
    clock: systemClock,
    name,
    contextKey,
    target,
    owner: {
      async query<Row extends object>(text: string, values: readonly unknown[] = []) {
        return (await owner.query<Row>(text, [...values])).rows;
      },
    },
    async createTenant(id, title = `Tenant ${id}`) {
      const tenant = tenantId(id);
      await owner.query("insert into ringwall.tenant (tenant_id, name) values ($1, $2)", [tenant, title]);
      return tenant;
    },
    async close() {
      await Promise.all([database.close(), worker.close(), client.close(), bus.close(), owner.end()]);
      await dropCopy(server, name);
    },
  };
}

function targets(server: TestServer, database: string): (role: string) => Target {
  return (role) => ({
    host: server.host,
    port: server.port,
    database,
    user: role,
    credential: async () => new PlainSecret(server.passwords[role] ?? "no such role"),
  });
}

function clientConfig(server: TestServer, database: string): ClientConfig {
  const { host, port, superuser: user, passwords } = server;
  return { host, port, database, user, password: passwords[user] };
}

async function createCopy(server: TestServer, name: string): Promise<void> {
  const client = new Client(clientConfig(server, "postgres"));
  await client.connect();
  await client.query(`create database ${name} template ${server.template} owner ringwall_migrate strategy file_copy`);
  await client.end();
  // Rights on a database itself are not copied with it.
  const sql = openSql(targets(server, "postgres")(server.superuser));
  await closeDatabase(sql, name, ["bank_app"]);
  await sql.destroy();
}

/** PostgreSQL waits a moment for connections that are ending; one in use after that goes with the whole server. */
async function dropCopy(server: TestServer, name: string): Promise<void> {
  const client = new Client(clientConfig(server, "postgres"));
  await client.connect();
  try {
    await client.query(`drop database if exists ${name}`);
  } catch (error) {
    const inUse = error instanceof DatabaseError && error.code === "55006";
    if (!inUse) throw error;
  } finally {
    await client.end();
  }
}
