import { sql } from "kysely";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { registerSealedTable, wall } from "../../../migrations/index.ts";
import { openSql } from "../../adapters/postgres/index.ts";
import {
  type Database,
  PLATFORM_TENANT,
  RingwallError,
  randomBytes,
  statement,
  type TenantId,
} from "../../core/index.ts";
import { NOTES, type RotationNode, type RotationStage, rotationStage } from "../../testing/rotation/index.ts";
import { KEY_KEEPER, softwareMaster } from "../keys/index.ts";
import { createKeyAdministration, openMasterJob, openRowsJob, rewrapMasterKeys, rewrapRows } from "./index.ts";

const BODIES = "select note_id, encode(body, 'hex') from shop.note where tenant_id = $1 order by note_id";

let stage: RotationStage;
let count = 0;
beforeAll(async () => {
  stage = await rotationStage();
});
afterAll(() => stage.close());

const newTenant = (): Promise<TenantId> => stage.db.createTenant(`tenant-${String((count += 1))}`);

/** States of a tenant's data key, oldest first. */
async function states(tenant: TenantId): Promise<unknown> {
  const rows = await stage.db.owner.query<{ state: string }>(
    "select state from ringwall.tenant_key where tenant_id = $1 and purpose = 'data' order by version",
    [tenant],
  );
  return rows.map(({ state }) => state);
}

/** Rotates the tenant's data key and wraps its rows anew. */
async function rotate(node: RotationNode, tenant: TenantId) {
  await node.keys.rotate(tenant, "data", KEY_KEEPER);
  return await rewrapRows(node.parts, await openRowsJob(node.parts, tenant));
}

describe("a tenant's rotation", () => {
  test("wraps every row key anew, keeps the fields, and retires the old version when none refers to it", async () => {
    const tenant = await newTenant();
    const node = await stage.node();
    await stage.fill(node.keys, tenant, 600);
    const before = await node.open(tenant);
    const fields = await stage.db.owner.query(BODIES, [tenant]);
    const job = await rotate(node, tenant);
    expect(job).toMatchObject({ state: "done", done: 600, total: 600, target: "2" });
    expect(await stage.versions(tenant)).toEqual({ 2: 600 });
    expect(await states(tenant)).toEqual(["retired", "active"]);
    expect(await node.open(tenant)).toEqual(before);
    expect(await (await stage.node()).open(tenant)).toEqual(before);
    const after = await stage.db.owner.query(BODIES, [tenant]);
    expect(after).toEqual(fields);
    expect(stage.recorder.events).toContainEqual(
      expect.objectContaining({ action: "key.rewrapped", tenant, facts: { work: "rows", version: 2 } }),
    );
  });

  test("leaves other tenants' rows alone", async () => {
    const [one, other] = [await newTenant(), await newTenant()];
    const node = await stage.node();
    await stage.fill(node.keys, one, 3);
    await stage.fill(node.keys, other, 3);
    await rotate(node, one);
    expect(await stage.versions(other)).toEqual({ 1: 3 });
    expect(await states(other)).toEqual(["active"]);
  });

  test("does not wait for rows that somebody holds, and does not retire what they need", async () => {
    const tenant = await newTenant();
    const node = await stage.node();
    const [held = ""] = await stage.fill(node.keys, tenant, 3);
    await node.keys.rotate(tenant, "data", KEY_KEEPER);
    const job = await openRowsJob(node.parts, tenant);
    const lock = statement("test.hold", "select 1 from ringwall.row_keys_take($1, 2, null, 1)");
    const waiting = await stage.db.worker.forTenant(tenant, KEY_KEEPER, async (tx) => {
      await tx.run(lock, [NOTES]);
      return await rewrapRows(node.parts, job);
    });
    expect(waiting).toMatchObject({ state: "waiting", done: 2, total: 3 });
    expect(await states(tenant)).toEqual(["active", "active"]);
    expect(await node.openOne(tenant, held)).toMatch(/^note 0/);
    expect(await rewrapRows(node.parts, waiting)).toMatchObject({ state: "done", done: 3, total: 3 });
  });

  test("keeps the old version while another node may still be sealing with it", async () => {
    const tenant = await newTenant();
    const node = await stage.node();
    await stage.fill(node.keys, tenant, 1);
    const parts = { ...node.parts, settleMs: 300_000 };
    await node.keys.rotate(tenant, "data", KEY_KEEPER);
    const waiting = await rewrapRows(parts, await openRowsJob(parts, tenant));
    expect(waiting).toMatchObject({ state: "waiting", done: 1, total: 1 });
    stage.time.aheadMs += 300_000;
    expect(await rewrapRows(parts, waiting)).toMatchObject({ state: "done" });
    expect(await states(tenant)).toEqual(["retired", "active"]);
  });

  test("leaves a record that was tampered with as it is, keeps its version, and goes on with the others", async () => {
    const tenant = await newTenant();
    const node = await stage.node();
    const [bad = ""] = await stage.fill(node.keys, tenant, 4);
    await stage.db.owner.query(
      "update shop.note set row_key = set_byte(row_key, 70, get_byte(row_key, 70) # 1) where note_id = $1",
      [bad],
    );
    expect(await rotate(node, tenant)).toMatchObject({ state: "waiting", done: 3, total: 4 });
    expect(await states(tenant)).toEqual(["active", "active"]);
  });

  test("takes a retired version back when a restored backup needs it", async () => {
    const tenant = await newTenant();
    const node = await stage.node();
    await stage.fill(node.keys, tenant, 2);
    const backup = await stage.db.owner.query<{ note_id: string; row_key: Buffer }>(
      "select note_id, row_key from shop.note where tenant_id = $1",
      [tenant],
    );
    await rotate(node, tenant);
    for (const { note_id, row_key } of backup) {
      await stage.db.owner.query("update shop.note set row_key = $2 where note_id = $1", [note_id, row_key]);
    }
    const administration = createKeyAdministration(node.parts, () => {});
    const job = await administration.rewrap({ actor: KEY_KEEPER, tenant }, "rows");
    expect(await rewrapRows(node.parts, job)).toMatchObject({ state: "done", done: 2 });
    expect(await node.open(tenant)).toHaveLength(2);
  });
});

test("rows are taken in the order of their column's own type, so that going on after one leaves none out", async () => {
  const tenant = await newTenant();
  const owner = openSql(stage.db.target("ringwall_migrate"));
  await sql`
    create table shop.entry (
      tenant_id ringwall.tenant_ref not null default ringwall.tenant(),
      entry_id  bigint not null,
      row_key   bytea  not null,
      primary key (tenant_id, entry_id)
    )`.execute(owner);
  await wall(owner, "shop.entry", { bank_app: ["select", "insert"] });
  await registerSealedTable(owner, { table: "shop.entry", row: "entry_id", rowKey: "row_key" });
  await owner.destroy();
  await stage.db.owner.query(
    `insert into shop.entry select $1, n, decode('010100000001' || repeat('00', 92), 'hex') from generate_series(1, 12) n`,
    [tenant],
  );
  const take = statement<{ row_id: string }>("test.take", "select row_id from ringwall.row_keys_take($1, 2, $2, 5)");
  const ids: string[] = [];
  for (;;) {
    const rows = await stage.db.worker.once(tenant, KEY_KEEPER, take, ["shop.entry", ids.at(-1) ?? null]);
    if (rows.length === 0) break;
    ids.push(...rows.map(({ row_id }) => row_id));
  }
  expect(ids).toEqual(Array.from({ length: 12 }, (_, index) => String(index + 1)));
});

describe("killed anywhere", () => {
  class Killed extends Error {}

  /** A worker whose process ends at the n-th act on the database: before it, or after it, where nobody heard of it. */
  function interrupted(inner: Database, at: number): { worker: Database; reached: () => boolean } {
    let acts = 0;
    const counted = async <T>(act: () => Promise<T>): Promise<T> => {
      acts += 1;
      if (acts === at) throw new Killed();
      const result = await act();
      acts += 1;
      if (acts === at) throw new Killed();
      return result;
    };
    const worker: Database = {
      once: (tenant, actor, what, values) => counted(() => inner.once(tenant, actor, what, values)),
      forTenant: (tenant, actor, work) =>
        counted(() =>
          inner.forTenant(tenant, actor, (tx) =>
            work({
              tenant: tx.tenant,
              actor: tx.actor,
              run: (what, values) => counted(() => tx.run(what, values)),
              defer: (what, values) => tx.defer(what, values),
              invalidate: (message) => tx.invalidate(message),
            }),
          ),
        ),
      lookup: (name, values) => inner.lookup(name, values),
      close: async () => {},
    };
    return { worker, reached: () => acts >= at };
  }

  test("a tenant's rotation is finished by the next run, and nobody reads an error meanwhile", async () => {
    const tenant = await newTenant();
    const plain = await stage.node();
    await stage.fill(plain.keys, tenant, 300);
    const texts = await plain.open(tenant);
    await plain.keys.rotate(tenant, "data", KEY_KEEPER);
    let runs = 0;
    for (let at = 1; ; at += 1) {
      const { reached, worker } = interrupted(stage.db.worker, at);
      const parts = { ...plain.parts, worker };
      runs += 1;
      try {
        await rewrapRows(parts, await openRowsJob(parts, tenant));
      } catch (error) {
        if (!(error instanceof Killed)) throw error;
      }
      expect(await plain.open(tenant)).toEqual(texts);
      if (!reached()) break;
    }
    expect(runs).toBeGreaterThan(30);
    expect(await states(tenant)).toEqual(["retired", "active"]);
    expect(await stage.versions(tenant)).toEqual({ 2: 300 });
    expect(await (await stage.node()).open(tenant)).toEqual(texts);
  });

  test("a master's rotation is finished by the next run; the old master opens until nothing refers to it", async () => {
    const other = await rotationStage();
    try {
      const old = await other.node();
      const tenants: TenantId[] = [];
      for (let index = 0; index < 3; index += 1) {
        const tenant = await other.db.createTenant(`bank-${String(index)}`);
        await other.fill(old.keys, tenant, 2);
        tenants.push(tenant);
      }
      const key = randomBytes(32);
      const fresh = () => softwareMaster(Buffer.from(key));
      const both = await other.node({ master: fresh(), previousMasters: [other.master()] });
      let runs = 0;
      for (let at = 1; ; at += 1) {
        const { reached, worker } = interrupted(other.db.worker, at);
        const parts = { ...both.parts, worker };
        runs += 1;
        try {
          await rewrapMasterKeys(parts, await openMasterJob(parts));
        } catch (error) {
          if (!(error instanceof Killed)) throw error;
        }
        const reader = await other.node({ master: fresh(), previousMasters: [other.master()] });
        for (const tenant of tenants) expect(await reader.open(tenant)).toHaveLength(2);
        if (!reached()) break;
      }
      expect(runs).toBeGreaterThan(10);
      const alone = await other.node({ master: fresh() });
      for (const tenant of tenants) expect(await alone.open(tenant)).toHaveLength(2);
      await expect(other.node()).rejects.toMatchObject({ code: "keys.master_refused" });
    } finally {
      await other.close();
    }
  });
});

describe("the worker", () => {
  let attacks = 0;
  const attack = async (text: string, tenant: TenantId = PLATFORM_TENANT) =>
    await stage.db.worker.once(tenant, KEY_KEEPER, statement(`attack.rotation.${(attacks += 1)}`, text));

  test("reads no row, changes no field and reaches no other tenant", async () => {
    const [one, other] = [await newTenant(), await newTenant()];
    const node = await stage.node();
    await stage.fill(node.keys, other, 1);
    await stage.fill(node.keys, one, 1);
    for (const text of [
      "select body from shop.note",
      "update shop.note set body = 'x'",
      "update shop.note set tenant_id = 'x'",
      "delete from shop.note",
      "insert into ringwall.sealed_table values ('x', 'ringwall', 'session', 'session_id', 'token_hash')",
      "select * from ringwall.row_keys_take('ringwall.session', 2, null, 1)",
      "delete from ringwall.tenant_key",
      "insert into ringwall.erasure (erasure_id, subject, ordered) values (gen_random_uuid(), 'x', '{}')",
      "update ringwall.tenant_key set state = 'destroyed', wrapped = null",
      "update ringwall.tenant_key set wrapped = sha256('x') || sha256('y')",
      "update ringwall.tenant_key set commitment = sha256('x')",
      "update ringwall.key_usage set reserved = 1",
      "select reason from ringwall.context_key",
    ]) {
      await expect(attack(text, one), text).rejects.toBeInstanceOf(RingwallError);
    }
    const mine = await attack(`select * from ringwall.row_keys_take('${NOTES}', 2, null, 10)`, one);
    expect(mine).toHaveLength(1);
    expect(await attack(`select * from ringwall.row_keys_take('${NOTES}', 2, null, 10)`)).toEqual([]);
  });

  test("cannot be used by the application or by the host to wrap or to destroy", async () => {
    const tenant = await newTenant();
    const node = await stage.node();
    await stage.fill(node.keys, tenant, 1);
    for (const [who, database] of [
      ["application", stage.db.database],
      ["host", stage.db.client],
    ] as const) {
      for (const text of [
        "select * from ringwall.tenant_shred(gen_random_uuid(), '{}', 1)",
        "select ringwall.audit_erase_person('x')",
        "select * from ringwall.key_listing('', 10)",
        "select * from ringwall.keys_elsewhere('x', '', '', 0, 10)",
        "select ringwall.key_scheduler_claim(gen_random_uuid(), 60000)",
        "select ringwall.row_keys_erase('shop.note', 'x')",
        "update ringwall.tenant_key set state = 'retired'",
        "insert into ringwall.erasure (erasure_id, subject, ordered) values (gen_random_uuid(), 'row', '{}')",
      ]) {
        const asked = database.once(tenant, KEY_KEEPER, statement(`attack.${who}.${(attacks += 1)}`, text));
        await expect(asked, `${who}: ${text}`).rejects.toBeInstanceOf(RingwallError);
      }
    }
  });
});

describe("uses of a data key", () => {
  test("are reserved in blocks, and at 2^31 the next version is made by itself", async () => {
    const tenant = await newTenant();
    const node = await stage.node();
    await stage.fill(node.keys, tenant, 5);
    const used = async () =>
      await stage.db.owner.query(
        "select version, reserved::text from ringwall.key_usage where tenant_id = $1 order by version",
        [tenant],
      );
    expect(await used()).toEqual([{ version: 1, reserved: "65536" }]);
    await stage.db.owner.query("update ringwall.key_usage set reserved = $2 where tenant_id = $1", [
      tenant,
      String(2 ** 31 - 1),
    ]);
    const later = await stage.node();
    const sealing = await later.keys.current(tenant, "data");
    expect(sealing.version).toBe(2);
    expect(await node.open(tenant)).toHaveLength(5);
    expect(await used()).toEqual([
      { version: 1, reserved: String(2 ** 31 - 1 + 65_536) },
      { version: 2, reserved: "65536" },
    ]);
  });

  test("are refused beyond what the cipher allows when no next version can be made", async () => {
    const tenant = await newTenant();
    const node = await stage.node();
    await stage.fill(node.keys, tenant, 1);
    await stage.db.owner.query("update ringwall.key_usage set reserved = $2 where tenant_id = $1", [
      tenant,
      String(2 ** 32),
    ]);
    const later = await stage.node();
    await expect(later.keys.current(tenant, "data")).rejects.toMatchObject({ code: "keys.unavailable" });
    expect(await later.open(tenant)).toHaveLength(1);
  });
});
