import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Bus, type Invalidation, type ServiceActor, silentLogger, type TenantId } from "../../core/index.ts";
import { type TestDatabase, testDatabase } from "../../testing/index.ts";
import { type PostgresBus, postgresBus } from "./index.ts";

let data: TestDatabase;
let bus: PostgresBus;
let a: TenantId;
let actor: ServiceActor;

beforeAll(async () => {
  data = await testDatabase();
  a = await data.createTenant("bank-a");
  actor = { type: "service", tenant: a, name: "test" };
  bus = await postgresBus(data.target("ringwall_app"), silentLogger);
});
afterAll(async () => {
  await bus.close();
  await data.close();
});

/** The messages up to and including the one whose id ends it. */
function heardUntil(on: Bus, last: string): Promise<readonly Invalidation[]> {
  return new Promise((done) => {
    const heard: Invalidation[] = [];
    const stop = on.subscribe((message) => {
      heard.push(message);
      if (message.id !== last) return;
      stop();
      done(heard);
    });
  });
}

function gap(on: Bus): Promise<void> {
  return new Promise((done) => {
    const stop = on.onGap(() => {
      stop();
      done();
    });
  });
}

const message = (id: string): Invalidation => ({ kind: "session", tenant: a, id });

describe("the bus", () => {
  test("tells of a commit, never of a rollback", async () => {
    const heard = heardUntil(bus, "committed");
    const failing = data.database.forTenant(a, actor, async (tx) => {
      tx.invalidate(message("rolled back"));
      throw new Error("no");
    });
    await expect(failing).rejects.toThrow("no");
    await data.database.forTenant(a, actor, async (tx) => {
      tx.invalidate(message("committed"));
    });
    expect(await heard).toEqual([message("committed")]);
  });

  test("is down while its connection is lost, says so twice, and hears again afterwards", async () => {
    expect(bus.up).toBe(true);
    const lost = gap(bus);
    await data.owner.query(
      "select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and usename = 'ringwall_app'",
    );
    await lost;
    expect(bus.up).toBe(false);
    await gap(bus);
    expect(bus.up).toBe(true);
    const heard = heardUntil(bus, "later");
    await data.database.forTenant(a, actor, async (tx) => {
      tx.invalidate(message("later"));
    });
    expect(await heard).toEqual([message("later")]);
  });

  test("takes what it cannot read as a gap, so that caches are emptied rather than trusted", async () => {
    for (const payload of ["", "nonsense", "[]", '["session","../x","1"]', '["unknown","bank-a","1"]']) {
      const told = gap(bus);
      await data.owner.query("select pg_notify('ringwall_invalidation', $1)", [payload]);
      await told;
    }
    expect(bus.up).toBe(true);
  });

  test("of a server that is not there starts down", async () => {
    const gone = await postgresBus({ ...data.target("ringwall_app"), host: "/nonexistent" }, silentLogger);
    expect(gone.up).toBe(false);
    await gone.close();
  });
});
