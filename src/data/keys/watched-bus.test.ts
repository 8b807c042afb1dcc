import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { randomBytes, statement, type TenantId, tenantId } from "../../core/index.ts";
import { type TestDatabase, testDatabase } from "../../testing/index.ts";
import { memoryKeyStore, testBus } from "../../testing/keys.ts";
import { createFields } from "../fields/index.ts";
import { createKeys, databaseKeyStore, softwareMaster } from "./index.ts";
import { KEY_KEEPER } from "./store.ts";
import { LOOK_EVERY_MS, LOOKS_MISSED_MAX, WatchedBus } from "./watched-bus.ts";

const ALPHA = tenantId("alpha-bank");
const BETA = tenantId("beta-bank");

/** Time for looks, moved on by hand: each call is one tick of everybody who waits. */
function handTimer() {
  const ticks = new Set<() => void>();
  return {
    everies: [] as number[],
    every(ms: number, tick: () => void) {
      this.everies.push(ms);
      ticks.add(tick);
      return () => ticks.delete(tick);
    },
    /** One tick, and time for what it asked to be answered. */
    async tick() {
      for (const tick of ticks) tick();
      for (let turn = 0; turn < 10; turn += 1) await Promise.resolve();
    },
    get waiting() {
      return ticks.size;
    },
  };
}

async function silentNode() {
  const silent = testBus();
  const store = memoryKeyStore(silent);
  const timer = handTimer();
  const time = { nowMs: 0 };
  const master = softwareMaster(randomBytes(32));
  const make = (bus = silent) =>
    createKeys({ master, store, bus, clock: () => time.nowMs, every: (ms, tick) => timer.every(ms, tick) });
  return { bus: silent, store, timer, time, make };
}

describe("a lost notification", () => {
  test("is made up for by the next look, less than a second later", async () => {
    const { make, timer } = await silentNode();
    // Two buses that never hear of each other: no message of the one arrives at the other.
    const [here, deaf] = [await make(testBus()), await make(testBus())];
    await here.current(ALPHA, "data");
    const before = await deaf.current(ALPHA, "data");
    const other = await deaf.current(BETA, "data");
    await here.rotate(ALPHA, "data", KEY_KEEPER);
    expect(deaf.current(ALPHA, "data")).toBe(before);
    await timer.tick();
    expect((await deaf.current(ALPHA, "data")).version).toBe(2);
    // Others are not loaded again for it.
    expect(deaf.current(BETA, "data")).toBe(other);
    expect(LOOK_EVERY_MS).toBeLessThan(1_000);
    expect(new Set(timer.everies)).toEqual(new Set([LOOK_EVERY_MS]));
  });

  test("told twice, a change is one change", async () => {
    const heard: string[] = [];
    const answers = [
      { upto: "5", changed: [] },
      { upto: "5", changed: [{ tenant: ALPHA, change: "7" }] },
      { upto: "5", changed: [{ tenant: ALPHA, change: "7" }] },
      { upto: "5", changed: [{ tenant: ALPHA, change: "8" }] },
    ];
    const bus = new WatchedBus(
      testBus(),
      { changes: async () => answers.shift() ?? { upto: "9", changed: [] } },
      () => {},
      () => () => {},
    );
    bus.subscribe(({ id, tenant }) => void (id === "data" && heard.push(tenant)));
    for (let look = 0; look < 4; look += 1) await bus.look();
    expect(heard).toEqual([ALPHA, ALPHA]);
  });

  test("does not matter when another database took this one's place: everything is forgotten", async () => {
    const answers = ["90", "12"];
    let gaps = 0;
    const bus = new WatchedBus(
      testBus(),
      { changes: async () => ({ upto: answers.shift() ?? "", changed: [] }) },
      () => {},
      () => () => {},
    );
    bus.onGap(() => {
      gaps += 1;
    });
    await bus.look();
    expect(gaps).toBe(0);
    await bus.look();
    expect(gaps).toBe(1);
  });
});

describe("while nobody can say what changed", () => {
  test("keys are served for some looks, then read anew for every use, and refused when they cannot be", async () => {
    const { make, store, timer } = await silentNode();
    const keys = await make();
    const key = await keys.current(ALPHA, "data");
    store.blind = true;
    for (let look = 1; look < LOOKS_MISSED_MAX; look += 1) await timer.tick();
    expect(keys.current(ALPHA, "data")).toBe(key);
    await timer.tick();
    const before = store.reads;
    expect((await keys.current(ALPHA, "data")).version).toBe(1);
    expect(store.reads).toBe(before + 1);
    store.down = true;
    await expect((async () => await keys.current(ALPHA, "data"))()).rejects.toMatchObject({
      code: "database.unavailable",
    });
    Object.assign(store, { down: false, blind: false });
    await timer.tick();
    await keys.current(ALPHA, "data");
    expect(keys.current(ALPHA, "data")).not.toBeInstanceOf(Promise);
    expect(await keys.current(ALPHA, "data")).not.toBe(key);
  });

  test("a look that never ends counts as missed, and no second one is begun beside it", async () => {
    let asked = 0;
    const changes = async () => {
      asked += 1;
      return await new Promise<never>(() => {});
    };
    const bus = new WatchedBus(
      testBus(),
      { changes },
      () => {},
      () => () => {},
    );
    for (let look = 0; look <= LOOKS_MISSED_MAX; look += 1) void bus.look();
    expect(asked).toBe(1);
    expect(bus.up).toBe(false);
  });
});

describe("what is too old", () => {
  test("does not stay in memory: tenant keys and the row keys that hang on them are let go of together", async () => {
    const { make, time, timer } = await silentNode();
    const keys = await make();
    const kept: boolean[] = [];
    const key = await keys.current(ALPHA, "data");
    keys.onForgotten((isKept) => kept.push(isKept(key)));
    time.nowMs = 299_999;
    await timer.tick();
    expect(kept).toEqual([]);
    time.nowMs = 300_000;
    await timer.tick();
    expect(kept.at(-1)).toBe(false);
  });

  test("stops with the tree: nothing ticks on", async () => {
    const { make, timer } = await silentNode();
    const keys = await make();
    expect(timer.waiting).toBe(1);
    keys.close();
    expect(timer.waiting).toBe(0);
  });
});

describe("in PostgreSQL", () => {
  let db: TestDatabase;
  beforeAll(async () => {
    db = await testDatabase();
  });
  afterAll(() => db.close());
  const store = () => databaseKeyStore({ own: db.database, database: db.database, recorder: () => undefined });
  let count = 0;
  const newTenant = (): Promise<TenantId> => db.createTenant(`tenant-${String((count += 1))}`);
  const master = randomBytes(32);

  test("a process that hears no message knows of a rotation and of an erasure by its next look", async () => {
    const tenant = await newTenant();
    const timer = handTimer();
    const make = async (bus = testBus()) =>
      await createKeys({
        master: softwareMaster(Buffer.from(master)),
        store: store(),
        bus,
        clock: db.clock,
        every: (ms, tick) => timer.every(ms, tick),
      });
    const [here, deaf] = [await make(), await make()];
    const first = await deaf.current(tenant, "data");
    await here.rotate(tenant, "data", KEY_KEEPER);
    expect(deaf.current(tenant, "data")).toBe(first);
    await timer.tick();
    await vi.waitFor(async () => expect((await deaf.current(tenant, "data")).version).toBe(2));
    await db.worker.once(
      tenant,
      { type: "system", capability: "keys.erase" },
      statement("test.erase", "select ringwall.tenant_shred(gen_random_uuid(), '{}', 0)"),
    );
    await timer.tick();
    await vi.waitFor(async () => {
      await expect((async () => await deaf.current(tenant, "data"))()).rejects.toMatchObject({ code: "keys.erased" });
    });
    here.close();
    deaf.close();
  });

  test("a change whose transaction began early and committed late is not missed", async () => {
    const tenant = await newTenant();
    const at = store();
    await at.add(
      { tenant, purpose: "data", version: 1, masterId: "m", wrapped: randomBytes(62), commitment: randomBytes(32) },
      KEY_KEEPER,
    );
    const open = db.database.forTenant(tenant, KEY_KEEPER, async (tx) => {
      await tx.run(
        statement(
          "test.early",
          "insert into ringwall.tenant_key (purpose, version, master_id, wrapped, commitment) values ('data', 2, 'm', sha256('a') || sha256('b'), sha256('c'))",
        ),
      );
      const before = await at.changes(undefined);
      // Later transactions pass by in between.
      const other = await newTenant();
      await at.add(
        {
          tenant: other,
          purpose: "data",
          version: 2,
          masterId: "m",
          wrapped: randomBytes(62),
          commitment: randomBytes(32),
        },
        KEY_KEEPER,
      );
      const between = await at.changes(before.upto);
      // Some are told twice while anybody's transaction is open, in another database, too; what is not committed never is.
      const told = between.changed.map(({ tenant: one }) => one);
      expect(told).toContain(other);
      expect(told).not.toContain(tenant);
      return between.upto;
    });
    const upto = await open;
    expect((await at.changes(upto)).changed.map(({ tenant: one }) => one)).toContain(tenant);
  });

  test("no role sees the table, and nobody but the two services may ask", async () => {
    for (const database of [db.database, db.worker, db.client]) {
      await expect(
        database.once(ALPHA, KEY_KEEPER, statement("attack.epoch", "select * from ringwall.key_epoch")),
      ).rejects.toThrow();
    }
    await expect(
      db.client.once(ALPHA, KEY_KEEPER, statement("attack.ask", "select * from ringwall.key_epoch_since('1')")),
    ).rejects.toThrow();
  });

  test("row keys of an erased tenant leave the cache with its keys", async () => {
    const tenant = await newTenant();
    const bus = testBus();
    const keys = await createKeys({
      master: softwareMaster(Buffer.from(master)),
      store: store(),
      bus,
      clock: db.clock,
    });
    let forgotten = 0;
    keys.onForgotten(() => {
      forgotten += 1;
    });
    const fields = createFields({ keys });
    const sealed = await fields.sealRow(tenant, { table: "t", row: "1", values: { a: "x" } });
    bus.publish({ kind: "epoch", tenant, id: "erasure" });
    expect(forgotten).toBe(1);
    expect(
      await fields.open(tenant, { table: "t", row: "1", column: "a", rowKey: sealed.rowKey }, sealed.sealed.a),
    ).toBe("x");
    keys.close();
  });
});
