import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { type PostgresDatabase, postgresBus, postgresDatabase } from "../../src/adapters/postgres/index.ts";
import { type Actor, silentLogger, statement, systemClock, type TenantId } from "../../src/core/index.ts";
import { contextSigner } from "../../src/data/tenants/index.ts";
import { type TestDatabase, testDatabase } from "../../src/testing/index.ts";
import { type Proxy, startProxy } from "./proxy.ts";
import { until } from "./until.ts";

const READ = statement("silent.read", "select");
const ACT = statement("silent.act", "select from pg_catalog.pg_advisory_xact_lock_shared(1)");
/** More than a statement may take and the server's silence after it. */
const SILENCE_MS = 16_000;
const SEEN_MS = 20_000;
/** More than an opening may take before another is tried beside it. */
const OPENING_MS = 1_500;

let data: TestDatabase;
let tenant: TenantId;
let actor: Actor;
let proxy: Proxy;
let aheadMs = 0;

beforeAll(async () => {
  data = await testDatabase();
  tenant = await data.createTenant("silent");
  actor = { type: "service", tenant, name: "test" };
  const { host, port } = data.target("ringwall_app");
  proxy = await startProxy(join(host, `.s.PGSQL.${port}`));
});
afterAll(async () => {
  await proxy.close();
  await data.close();
});
beforeEach(async () => {
  await proxy.mend();
  aheadMs = 0;
});

const target = () => ({ ...data.target("ringwall_app"), host: "127.0.0.1", port: proxy.port });
const signer = () => contextSigner(data.contextKey);

function open(): PostgresDatabase {
  return postgresDatabase({ target: target(), signer: signer(), clock: () => systemClock() + aheadMs });
}

/** Several at once, so that several connections are open afterwards. */
async function actAtOnce(database: PostgresDatabase, times: number): Promise<void> {
  await Promise.all([
    ...Array.from({ length: times }, () => database.forTenant(tenant, actor, (tx) => tx.run(ACT))),
    ...Array.from({ length: times }, () => database.once(tenant, actor, READ)),
  ]);
}

test("a server that falls silent right after it let us in is given up, and asked again later", async () => {
  proxy.silenceAfterLogin();
  const database = open();
  await expect(database.ping()).rejects.toMatchObject({ code: "database.unavailable" });
  const bus = await postgresBus({ target: target(), signer: signer(), log: silentLogger });
  expect(bus.up).toBe(false);
  await proxy.mend();
  await until("reads work again", SEEN_MS, async () => {
    await database.ping();
    return true;
  });
  await until("the bus is up again", SEEN_MS, () => (bus.up ? true : undefined));
  await bus.close();
  await database.close();
});

test("when one connection is silent, nobody is sent over another that has not answered since", async () => {
  const database = open();
  await actAtOnce(database, 6);
  proxy.forget();
  const lost = database.forTenant(tenant, actor, (tx) => tx.run(ACT));
  await until("the statement is on its way", SEEN_MS, () => (proxy.heldBack() > 0 ? true : undefined));
  aheadMs = SILENCE_MS;
  // Tried again over a new connection, because nothing of it had happened.
  await lost;
  await actAtOnce(database, 6);
  await database.close();
});

test("nobody waits for a connection that fell silent while it was opened", async () => {
  const database = open();
  proxy.silenceAfterLogin();
  const first = database.forTenant(tenant, actor, (tx) => tx.run(ACT));
  const read = database.once(tenant, actor, READ);
  await until("both connections wait for their first answer", SEEN_MS, () => (proxy.heldBack() > 1 ? true : undefined));
  proxy.forget();
  await proxy.mend();
  aheadMs = OPENING_MS;
  await Promise.all([first, read, actAtOnce(database, 2)]);
  await database.close();
});

test("closing does not wait for a silent server", async () => {
  const database = open();
  await actAtOnce(database, 2);
  proxy.silence();
  const closed = database.close();
  await until("goodbyes are on their way", SEEN_MS, () => (proxy.heldBack() > 0 ? true : undefined));
  aheadMs = SILENCE_MS;
  await closed;
});
