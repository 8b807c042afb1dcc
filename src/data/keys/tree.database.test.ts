import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  PLATFORM_TENANT,
  type Recorder,
  RingwallError,
  randomBytes,
  statement,
  type TenantId,
} from "../../core/index.ts";
import { type TestDatabase, testDatabase } from "../../testing/index.ts";
import { listeningRecorder } from "../../testing/recorder.ts";
import { createKeys, databaseKeyStore, type Keys, recordedMasterId, softwareMaster } from "./index.ts";
import { keyStoreContract } from "./key-store.contract.ts";
import { KEY_KEEPER } from "./store.ts";

let db: TestDatabase;
let count = 0;
const master = randomBytes(32);
const recorder = listeningRecorder();
const trees: Keys[] = [];
beforeAll(async () => {
  db = await testDatabase();
});
afterAll(async () => {
  for (const tree of trees) tree.close();
  await db.close();
});

const newTenant = (): Promise<TenantId> => db.createTenant(`tenant-${String((count += 1))}`);

const storeOf = (recorder: () => Recorder | undefined) =>
  databaseKeyStore({ own: db.database, database: db.database, recorder });

async function newTree(key = master): Promise<Keys> {
  const store = storeOf(() => recorder);
  const tree = await createKeys({ master: softwareMaster(Buffer.from(key)), store, bus: db.bus, clock: db.clock });
  trees.push(tree);
  return tree;
}

describe("the key store in PostgreSQL", () => {
  keyStoreContract(async () => ({ store: storeOf(() => undefined), tenant: newTenant }));
});

describe("a key tree in PostgreSQL", () => {
  test("started four times at once in a fresh database has one anchor and one key for a tenant", async () => {
    const tenant = await newTenant();
    const started = await Promise.all(Array.from({ length: 4 }, () => newTree()));
    const made = await Promise.all(started.map(async (tree) => await tree.current(tenant, "data")));
    expect(new Set(made.map((key) => key.subkey("test").export().toString("hex"))).size).toBe(1);
    const rows = await db.owner.query(
      "select purpose, version from ringwall.tenant_key where tenant_id in ($1, 'platform') order by purpose",
      [tenant],
    );
    expect(rows).toEqual([
      { purpose: "anchor", version: 1 },
      { purpose: "data", version: 1 },
    ]);
    expect(recorder.events.filter((event) => event.tenant === tenant && event.action === "key.created")).toHaveLength(
      1,
    );
  });

  test("is refused under another master key, which then makes nothing", async () => {
    await newTree();
    const store = storeOf(() => undefined);
    expect(await recordedMasterId(store)).toBe(softwareMaster(Buffer.from(master)).id);
    const before = await db.owner.query("select count(*)::int as n from ringwall.tenant_key");
    await expect(newTree(randomBytes(32))).rejects.toMatchObject({ code: "keys.master_refused" });
    expect(await db.owner.query("select count(*)::int as n from ringwall.tenant_key")).toEqual(before);
  });

  test("rotates with its record or not at all, and other nodes hear of it", async () => {
    const tenant = await newTenant();
    const [here, there] = [await newTree(), await newTree()];
    await there.current(tenant, "data");
    const heard = new Promise<void>((resolve) => {
      const stop = db.bus.subscribe((message) => {
        if (message.kind !== "key" || message.tenant !== tenant) return;
        stop();
        resolve();
      });
    });
    recorder.down = true;
    await expect(here.rotate(tenant, "data", KEY_KEEPER)).rejects.toBeInstanceOf(RingwallError);
    recorder.down = false;
    expect((await here.current(tenant, "data")).version).toBe(1);

    expect(await here.rotate(tenant, "data", KEY_KEEPER)).toBe(2);
    expect(recorder.events).toContainEqual(
      expect.objectContaining({ action: "key.rotated", tenant, facts: { version: 2 } }),
    );
    await heard;
    expect((await there.current(tenant, "data")).version).toBe(2);
  });

  test("holds nothing in the database that opens a value without the master", async () => {
    const tenant = await newTenant();
    const tree = await newTree();
    const key = await tree.current(tenant, "vault");
    const rows = await db.owner.query<{ all: string }>(
      "select string_agg(k::text, ' ') as all from ringwall.tenant_key k",
    );
    expect(rows[0]?.all).not.toContain(master.toString("hex"));
    expect(rows[0]?.all).not.toContain(key.subkey("test").export().toString("hex"));
  });
});

describe("the table of keys", () => {
  let attacks = 0;
  const attack = async (text: string, values: readonly string[] = [], tenant: TenantId = PLATFORM_TENANT) =>
    await db.database.once(tenant, KEY_KEEPER, statement(`attack.${(attacks += 1)}`, text), values);

  test("shows a tenant its own rows only, and nothing to the host application or without a context", async () => {
    const [one, other] = [await newTenant(), await newTenant()];
    const tree = await newTree();
    await Promise.all([tree.rotate(one, "data", KEY_KEEPER), tree.rotate(other, "data", KEY_KEEPER)]);
    const seen = await attack("select tenant_id from ringwall.tenant_key", [], one);
    expect(seen).toEqual([{ tenant_id: one }, { tenant_id: one }]);
    const asHost = db.client.once(one, KEY_KEEPER, statement("attack.host", "select 1 from ringwall.tenant_key"));
    await expect(asHost).rejects.toBeInstanceOf(RingwallError);
  });

  test("cannot be planted for another tenant, changed or emptied by the application's role", async () => {
    const [one, other] = [await newTenant(), await newTenant()];
    await (await newTree()).rotate(one, "data", KEY_KEEPER);
    const plant = `insert into ringwall.tenant_key (tenant_id, purpose, version, master_id, wrapped, commitment)
      values ($1, 'data', 1, 'm', sha256('a') || sha256('b'), sha256('c'))`;
    await expect(attack(plant, [other], one)).rejects.toBeInstanceOf(RingwallError);
    await expect(attack("update ringwall.tenant_key set version = 9", [], one)).rejects.toBeInstanceOf(RingwallError);
    await expect(attack("delete from ringwall.tenant_key", [], one)).rejects.toBeInstanceOf(RingwallError);
    await expect(attack("truncate ringwall.tenant_key", [], one)).rejects.toBeInstanceOf(RingwallError);
    expect(await db.owner.query("select 1 from ringwall.tenant_key where tenant_id = $1", [one])).toHaveLength(2);
  });
});
