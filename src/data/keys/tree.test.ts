import { describe, expect, test } from "vitest";
import { PLATFORM_TENANT, RingwallError, randomBytes, tenantId } from "../../core/index.ts";
import { memoryKeyStore, testBus, testKeys } from "../../testing/keys.ts";
import { createKeys, recordedMasterId, softwareMaster, TenantKey } from "./index.ts";
import { keyStoreContract } from "./key-store.contract.ts";
import type { MasterKey } from "./master.ts";
import { KEY_KEEPER } from "./store.ts";

const ALPHA = tenantId("alpha-bank");
const BETA = tenantId("beta-bank");

describe("the memory key store", () => {
  keyStoreContract(async () => {
    let count = 0;
    return { store: memoryKeyStore(testBus()), tenant: async () => tenantId(`tenant-${String((count += 1))}`) };
  });
});

function bytesOf(key: TenantKey): string {
  return key.subkey("test").export().toString("hex");
}

/** A master that counts its calls and can be cut off. */
function countedMaster(): { master: MasterKey; calls: { unwraps: number; down: boolean } } {
  const inner = softwareMaster(randomBytes(32));
  const calls = { unwraps: 0, down: false };
  const master: MasterKey = {
    id: inner.id,
    wrap: (plaintext, context) => inner.wrap(plaintext, context),
    generate: (context) => inner.generate(context),
    async unwrap(wrapped, context) {
      if (calls.down) throw new RingwallError("keys.unavailable");
      calls.unwraps += 1;
      return await inner.unwrap(wrapped, context);
    },
  };
  return { master, calls };
}

describe("a tenant key", () => {
  test("is made on first use, and is answered without a promise from then on", async () => {
    const { keys, store } = await testKeys();
    const made = await keys.current(ALPHA, "data");
    const warm = keys.current(ALPHA, "data");
    expect(warm).toBe(made);
    expect(keys.version(ALPHA, "data", 1)).toBe(made);
    expect(store.rows.filter((row) => row.tenant === ALPHA)).toHaveLength(1);
  });

  test("is another one for each tenant, purpose and label", async () => {
    const { keys } = await testKeys();
    const all = await Promise.all([
      keys.current(ALPHA, "data"),
      keys.current(ALPHA, "index"),
      keys.current(BETA, "data"),
      keys.service("session-pepper"),
    ]);
    const values = all.flatMap((key) => [bytesOf(key), key.subkey("other").export().toString("hex")]);
    expect(new Set(values).size).toBe(values.length);
  });

  test("asked for a hundred times at once is made once and loaded once", async () => {
    const { keys, store } = await testKeys();
    const before = store.reads;
    const all = await Promise.all(Array.from({ length: 100 }, async () => await keys.current(ALPHA, "data")));
    expect(new Set(all).size).toBe(1);
    expect(store.reads - before).toBe(2); // Nothing there; then what was made.
  });

  test("made by two processes at once is the same key in both", async () => {
    const bus = testBus();
    const store = memoryKeyStore(bus);
    const bytes = randomBytes(32);
    const clock = (): number => 0;
    const [left, right] = await Promise.all([
      createKeys({ master: softwareMaster(Buffer.from(bytes)), store, bus, clock }),
      createKeys({ master: softwareMaster(Buffer.from(bytes)), store, bus, clock }),
    ]);
    const [a, b] = await Promise.all([left.current(ALPHA, "data"), right.current(ALPHA, "data")]);
    expect(bytesOf(a)).toBe(bytesOf(b));
    expect(store.rows.filter((row) => row.tenant === ALPHA)).toHaveLength(1);
  });

  test("cannot be printed", async () => {
    const { keys } = await testKeys();
    const key = await keys.current(ALPHA, "data");
    const secret = key.subkey("test").export().toString("hex");
    const { inspect } = await import("node:util");
    expect(`${JSON.stringify(key)} ${inspect(key, { depth: 9, showHidden: true })}`).not.toContain(secret);
  });
});

describe("rotation", () => {
  test("makes a new version for sealing and keeps the old one for opening", async () => {
    const { keys } = await testKeys();
    const sealed = await keys.sealValue(ALPHA, "vault", ["note", "1"], Buffer.from("first"));
    expect(await keys.rotate(ALPHA, "vault", KEY_KEEPER)).toBe(2);
    const resealed = await keys.sealValue(ALPHA, "vault", ["note", "1"], Buffer.from("second"));
    expect(resealed.readUInt32BE(2)).toBe(2);
    expect((await keys.openValue(ALPHA, "vault", ["note", "1"], sealed)).toString()).toBe("first");
    expect((await keys.openValue(ALPHA, "vault", ["note", "1"], resealed)).toString()).toBe("second");
  });

  test("on one node is seen by the other, with the message and without it", async () => {
    const bus = testBus();
    const silent = testBus();
    const store = memoryKeyStore(bus);
    const bytes = randomBytes(32);
    const make = (heard: typeof bus) =>
      createKeys({ master: softwareMaster(Buffer.from(bytes)), store, bus: heard, clock: () => 0 });
    const [here, there, deaf] = [await make(bus), await make(bus), await make(silent)];
    await Promise.all([there.current(ALPHA, "data"), deaf.current(ALPHA, "data")]);
    await here.rotate(ALPHA, "data", KEY_KEEPER);
    expect((await there.current(ALPHA, "data")).version).toBe(2);
    // A record of version 2 reaches a node that heard nothing: it looks once more.
    expect((await deaf.version(ALPHA, "data", 2)).version).toBe(2);
  });

  test("gives peppers with all their versions, newest first", async () => {
    const { keys } = await testKeys();
    await keys.rotate(PLATFORM_TENANT, "session-pepper", KEY_KEEPER);
    const versions = await keys.serviceVersions("session-pepper");
    expect(versions.map((key) => key.version)).toEqual([2, 1]);
  });

  test("two at once make one version or two, and both nodes agree", async () => {
    const { keys, store } = await testKeys();
    const made = await Promise.all([keys.rotate(ALPHA, "data", KEY_KEEPER), keys.rotate(ALPHA, "data", KEY_KEEPER)]);
    const newest = Math.max(...store.rows.filter((row) => row.tenant === ALPHA).map((row) => row.version));
    expect(Math.max(...made)).toBe(newest);
    expect((await keys.current(ALPHA, "data")).version).toBe(newest);
  });
});

describe("the cache", () => {
  test("asks the master again after 300 seconds, not before", async () => {
    const { master, calls } = countedMaster();
    const bus = testBus();
    let nowMs = 0;
    const keys = await createKeys({ master, store: memoryKeyStore(bus), bus, clock: () => nowMs });
    await keys.current(ALPHA, "data");
    const warm = calls.unwraps;
    nowMs = 299_999;
    await keys.current(ALPHA, "data");
    expect(calls.unwraps).toBe(warm);
    nowMs = 300_000;
    await keys.current(ALPHA, "data");
    expect(calls.unwraps).toBe(warm + 1);
  });

  test("serves through an outage of the master until the age is reached, then refuses", async () => {
    const { master, calls } = countedMaster();
    const bus = testBus();
    let nowMs = 0;
    const keys = await createKeys({ master, store: memoryKeyStore(bus), bus, clock: () => nowMs });
    await keys.current(ALPHA, "data");
    calls.down = true;
    nowMs = 299_999;
    expect((await keys.current(ALPHA, "data")).version).toBe(1);
    nowMs = 300_000;
    await expect(keys.current(ALPHA, "data")).rejects.toMatchObject({ code: "keys.unavailable" });
    calls.down = false;
    expect((await keys.current(ALPHA, "data")).version).toBe(1);
  });

  test("does not keep a key longer because the clock was set back", async () => {
    const { master, calls } = countedMaster();
    const bus = testBus();
    let nowMs = 1_000_000;
    const keys = await createKeys({ master, store: memoryKeyStore(bus), bus, clock: () => nowMs });
    await keys.current(ALPHA, "data");
    const warm = calls.unwraps;
    nowMs = 0;
    await keys.current(ALPHA, "data");
    expect(calls.unwraps).toBe(warm + 1);
  });

  test("is emptied by a gap of the bus, and by a message about the key", async () => {
    const { keys, store, bus } = await testKeys();
    await keys.current(ALPHA, "data");
    for (const forget of [() => bus.gap(), () => bus.publish({ kind: "key", tenant: ALPHA, id: "data" })]) {
      const before = store.reads;
      forget();
      await keys.current(ALPHA, "data");
      expect(store.reads).toBe(before + 1);
    }
  });

  test("is not trusted while the bus is down: a key that was destroyed is gone at once", async () => {
    const { keys, store, bus } = await testKeys();
    await keys.current(ALPHA, "data");
    await keys.rotate(ALPHA, "data", KEY_KEEPER);
    await keys.version(ALPHA, "data", 1);
    bus.up = false;
    expect((await keys.version(ALPHA, "data", 1)).version).toBe(1);
    store.rows.splice(
      store.rows.findIndex((row) => row.tenant === ALPHA && row.version === 1),
      1,
    );
    await expect(keys.version(ALPHA, "data", 1)).rejects.toMatchObject({ code: "keys.decrypt_failed" });
    expect((await keys.current(ALPHA, "data")).version).toBe(2);
  });

  test("does not ask the master on every use while the bus is down", async () => {
    const { master, calls } = countedMaster();
    const bus = testBus();
    const keys = await createKeys({ master, store: memoryKeyStore(bus), bus, clock: () => 0 });
    await keys.current(ALPHA, "data");
    bus.up = false;
    const warm = calls.unwraps;
    for (let use = 0; use < 5; use += 1) await keys.current(ALPHA, "data");
    expect(calls.unwraps).toBe(warm);
  });

  test("does not keep a load that an invalidation overtook", async () => {
    const bus = testBus();
    const inner = memoryKeyStore(bus);
    let overtake = false;
    const store = {
      add: inner.add.bind(inner),
      reserve: inner.reserve.bind(inner),
      changes: inner.changes.bind(inner),
      async read(...args: Parameters<typeof inner.read>) {
        const rows = await inner.read(...args);
        if (overtake) bus.publish({ kind: "key", tenant: ALPHA, id: "data" });
        return rows;
      },
    };
    const keys = await createKeys({ master: softwareMaster(randomBytes(32)), store, bus, clock: () => 0 });
    overtake = true;
    await keys.current(ALPHA, "data");
    overtake = false;
    const before = inner.reads;
    await keys.current(ALPHA, "data");
    expect(inner.reads).toBe(before + 1);
  });
});

describe("the master key", () => {
  test("of another database is refused at start, with the way out and without a key", async () => {
    const bus = testBus();
    const store = memoryKeyStore(bus);
    const right = softwareMaster(randomBytes(32));
    const wrong = softwareMaster(randomBytes(32));
    await createKeys({ master: right, store, bus, clock: () => 0 });
    expect(await recordedMasterId(store)).toBe(right.id);
    const refused = createKeys({ master: wrong, store, bus, clock: () => 0 });
    await expect(refused).rejects.toMatchObject({ code: "keys.master_refused" });
    await expect(refused).rejects.toThrow(/does not belong to this database.*backup/u);
    // Nothing was made under the wrong key.
    expect(store.rows.every((row) => row.masterId === right.id)).toBe(true);
  });

  test("opens a wrapped key for its own tenant, purpose and version only", async () => {
    const { keys, store, bus } = await testKeys();
    await Promise.all([keys.current(ALPHA, "data"), keys.current(BETA, "data"), keys.current(ALPHA, "index")]);
    const planted = [...store.rows];
    for (const [from, to] of [
      [ALPHA, BETA],
      [BETA, ALPHA],
    ] as const) {
      const stolen = planted.find((row) => row.tenant === from && row.purpose === "data");
      const place = store.rows.findIndex((row) => row.tenant === to && row.purpose === "data");
      if (stolen === undefined) throw new Error("the test's key is missing");
      store.rows[place] = { ...stolen, tenant: to };
      bus.gap();
      await expect(keys.current(to, "data")).rejects.toMatchObject({ code: "keys.decrypt_failed" });
    }
  });
});
