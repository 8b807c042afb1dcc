import pg from "pg";
import { inject } from "vitest";
import { closeDatabase } from "../../migrations/index.ts";
import { ownerConnection, type PostgresDatabase, postgresBus, postgresDatabase, type Target } from "../adapters/postgres/index.ts";
import { type Bus, type Clock, PlainSecret, randomBytes, silentLogger, systemClock, type TenantId, tenantId } from "../core/index.ts";
import { contextSigner } from "../data/tenants/index.ts";
import { TEMPLATE } from "./template.ts";

/** A migrated database of one's own, with the connections of each role. */
export interface TestDatabase {
  readonly name: string;
  /** As `ringwall_app`. */
  readonly database: PostgresDatabase;
  /** As `ringwall_worker`. */
  readonly worker: PostgresDatabase;
  /** As `bank_app`, a member of `ringwall_client`. */
  readonly client: PostgresDatabase;
  /** As superuser, around every wall: for planting and inspecting. */
  readonly owner: { query(text: string, values?: unknown[]): Promise<readonly Record<string, unknown>[]> };
  readonly bus: Bus;
  /** Cuts the bus, or lets it be as it is. */
  setBus(up: boolean): void;
  /** Real time, plus what `advance` added. */
  readonly clock: Clock;
  advance(ms: number): void;
  /** Where a role connects to, for tests with connections of their own. */
  target(role: string): Target;
  readonly signer: ReturnType<typeof contextSigner>;
  createTenant(id: string): Promise<TenantId>;
  close(): Promise<void>;
}

/** Copies the template; takes about 50 ms. Close it when done. */
export async function testDatabase(): Promise<TestDatabase> {
  const server = inject("ringwallTestServer");
  const name = `test_${randomBytes(8).toString("hex")}`;
  const target = (role: string, database = name): Target => ({
    host: server.host,
    port: server.port,
    database,
    user: role,
    credential: async () => new PlainSecret(server.passwords[role] ?? ""),
  });
  await copyTemplate(target(server.superuser, "postgres"), name);

  const superuser = new pg.Pool({ ...plain(target(server.superuser)), password: server.passwords[server.superuser], max: 2 });
  superuser.on("error", () => {});
  const signer = contextSigner({ kid: server.contextKey.kid, key: Buffer.from(server.contextKey.key, "hex") });
  let addedMs = 0;
  const clock: Clock = () => systemClock() + addedMs;
  // The database compares a context with its own clock, so contexts are signed by real time.
  const open = (role: string): PostgresDatabase => postgresDatabase({ target: target(role), signer, clock: systemClock });
  const database = open("ringwall_app");
  const worker = open("ringwall_worker");
  const client = open("bank_app");
  const bus = postgresBus({ target: target("ringwall_app"), logger: silentLogger });
  await bus.ready;
  const switched = switchable(bus);
  return {
    name,
    database,
    worker,
    client,
    owner: { query: async (text, values) => (await superuser.query<Record<string, unknown>>(text, values)).rows },
    bus: switched.bus,
    setBus: switched.set,
    clock,
    advance(ms) {
      addedMs += ms;
    },
    target: (role) => target(role),
    signer,
    async createTenant(id) {
      await superuser.query("insert into ringwall.tenant (tenant_id, name) values ($1, $1) on conflict do nothing", [id]);
      return tenantId(id);
    },
    async close() {
      await bus.close();
      await Promise.all([database.close(), worker.close(), client.close(), superuser.end()]);
    },
  };
}

function plain({ host, port, database, user }: Target): { host: string; port: number; database: string; user: string } {
  return { host, port, database, user };
}

async function copyTemplate(target: Target, name: string): Promise<void> {
  const root = ownerConnection(target);
  const client = new pg.Client({ ...plain(target), password: (await target.credential()).open() });
  try {
    await client.connect();
    // One copy at a time: PostgreSQL refuses a template that somebody else is copying.
    await client.query("select pg_advisory_lock(7400003)");
    await client.query(`create database ${name} template ${TEMPLATE} owner ringwall_migrate`);
    await closeDatabase(root, name, ["bank_app"]);
  } finally {
    await client.end();
    await root.destroy();
  }
}

function switchable(inner: Bus): { readonly bus: Bus; readonly set: (up: boolean) => void } {
  const gaps = new Set<() => void>();
  let cut = false;
  return {
    bus: {
      get up() {
        return !cut && inner.up;
      },
      subscribe: (listener) =>
        inner.subscribe((message) => {
          if (!cut) listener(message);
        }),
      onGap(listener) {
        gaps.add(listener);
        const off = inner.onGap(listener);
        return () => {
          gaps.delete(listener);
          off();
        };
      },
    },
    set(up) {
      cut = !up;
      for (const listener of gaps) listener();
    },
  };
}
