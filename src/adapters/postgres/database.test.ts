import { afterAll, beforeAll, expect, test } from "vitest";
import { type Actor, statement, tenantId } from "../../core/index.ts";
import { type TestDatabase, testDatabase } from "../../testing/index.ts";

const A = tenantId("bank-a");
const B = tenantId("bank-b");
const as = (tenant: typeof A): Actor => ({ type: "service", tenant, name: "test" });
const NAMES = statement<{ tenant_id: string }>("test.names", "select tenant_id from ringwall.tenant order by 1");
const TENANT = statement<{ tenant: string | null }>("test.tenant", "select ringwall.tenant() as tenant");
const SLEEP = statement("test.sleep", "select pg_sleep(0.05)");
const BROKEN = statement("test.broken", "select 1 / (select count(*) from ringwall.tenant where tenant_id = 'nobody')");

let at: TestDatabase;
beforeAll(async () => {
  at = await testDatabase();
  await at.createTenant(A);
  await at.createTenant(B);
});
afterAll(async () => await at.close());

test("one statement sees its own tenant's rows and no other's", async () => {
  expect(await at.database.once(A, as(A), NAMES)).toEqual([{ tenant_id: A }]);
  expect(await at.database.once(B, as(B), NAMES)).toEqual([{ tenant_id: B }]);
});

test("two hundred interleaved statements of two tenants never cross", async () => {
  const answers = await Promise.all(
    Array.from({ length: 200 }, async (_, index) => {
      const tenant = index % 2 === 0 ? A : B;
      const [row] = await at.database.once(tenant, as(tenant), TENANT);
      return row?.tenant === tenant;
    }),
  );
  expect(answers.every(Boolean)).toBe(true);
});

test("a transaction carries its tenant from the first statement to the commit, and nothing afterwards", async () => {
  const seen = await at.database.forTenant(A, as(A), async (tx) => {
    const [first, second] = await Promise.all([tx.run(TENANT), tx.run(NAMES)]);
    await tx.run(SLEEP);
    const [again] = await tx.run(TENANT);
    return [first[0]?.tenant, second.length, again?.tenant];
  });
  expect(seen).toEqual([A, 1, A]);
  expect(await at.database.lookup("tenant_by_id", [B])).toMatchObject({ tenant_id: B });
});

test("an actor of one tenant cannot open another's transaction", async () => {
  await expect(at.database.once(B, as(A), NAMES)).rejects.toThrow("an actor reaches its own tenant");
  await expect(at.database.forTenant(B, as(A), async () => 1)).rejects.toThrow("an actor reaches its own tenant");
});

test("an error rolls the transaction back and leaves the connection usable", async () => {
  for (let round = 0; round < 20; round += 1) {
    await expect(at.database.forTenant(A, as(A), async (tx) => await tx.run(BROKEN))).rejects.toMatchObject({
      code: "request.invalid",
    });
  }
  expect(await at.database.once(A, as(A), NAMES)).toHaveLength(1);
});

test("a deferred statement that fails fails the act", async () => {
  const outcome = at.database.forTenant(A, as(A), async (tx) => {
    await tx.run(TENANT);
    tx.defer(BROKEN, []);
    return "done";
  });
  await expect(outcome).rejects.toMatchObject({ code: "request.invalid" });
});

test("an invalidation arrives after the commit and only then", async () => {
  const heard: string[] = [];
  const off = at.bus.subscribe((message) => heard.push(message.id));
  await expect(
    at.database.forTenant(A, as(A), async (tx) => {
      tx.invalidate({ kind: "session", tenant: A, id: "never" });
      await tx.run(BROKEN);
    }),
  ).rejects.toThrow();
  await at.database.forTenant(A, as(A), async (tx) => tx.invalidate({ kind: "session", tenant: A, id: "kept" }));
  await expect.poll(() => heard).toEqual(["kept"]);
  off();
});

test("a connection the server ended is replaced, and the service returns by itself", async () => {
  await at.owner.query("select pg_terminate_backend(pid) from pg_stat_activity where usename = 'ringwall_app' and datname = current_database()");
  const answers = await Promise.allSettled(Array.from({ length: 8 }, async () => await at.database.once(A, as(A), NAMES)));
  for (const answer of answers) {
    if (answer.status === "rejected") expect(answer.reason).toMatchObject({ code: "database.unavailable" });
  }
  expect(await at.database.once(A, as(A), NAMES)).toHaveLength(1);
  expect(await at.database.forTenant(A, as(A), async (tx) => await tx.run(NAMES))).toHaveLength(1);
});
