import { afterEach, expect, test } from "vitest";
import { assert, type TenantId } from "../../core/index.ts";
import { adopt, undoAdoption } from "./index.ts";
import {
  crashingBefore,
  INSERT_PLAIN,
  READ_PLAIN,
  REQUEST,
  type UpkeepStage,
  upkeepStage,
  WRITE_PLAIN,
} from "./stage.fixture.ts";

let stage: UpkeepStage;
afterEach(async () => {
  await stage.close();
});

const shape = async (): Promise<string[]> =>
  (
    await stage.db.owner.query<{ fact: string }>(`
      select 'column ' || attname || ' ' || format_type(atttypid, atttypmod) || case when attnotnull then ' not null' else '' end as fact
        from pg_attribute where attrelid = 'shop.client'::regclass and attnum > 0 and not attisdropped
      union all select 'constraint ' || conname from pg_constraint where conrelid = 'shop.client'::regclass and contype <> 'n'
      union all select 'trigger ' || tgname from pg_trigger where tgrelid = 'shop.client'::regclass
      union all select 'policy ' || polname from pg_policy where polrelid = 'shop.client'::regclass
      union all select 'index ' || indexrelid::regclass from pg_index where indrelid = 'shop.client'::regclass
      union all select 'function ' || proname from pg_proc where proname like 'ringwall_adopt%'
      union all select 'forced ' || relforcerowsecurity from pg_class where oid = 'shop.client'::regclass
      order by 1`)
  ).map(({ fact }) => fact);
const count = async (condition: string): Promise<number> => {
  const [row] = await stage.db.owner.query<{ n: number }>(
    `select count(*)::int as n from shop.client where ${condition}`,
  );
  return row?.n ?? -1;
};

test("5,000 rows move to the sealed twin while old and new nodes write and read; nobody sees an error or a stale value", async () => {
  stage = await upkeepStage(2_500);
  const { as, db, owner, tenants } = stage;
  const truth = new Map<string, string>();
  // Nodes that know the plaintext alone, then nodes that write both, then none.
  const phase: { is: "old" | "both" | "done" } = { is: "old" };
  let writes = 0;
  const work = async (lane: number): Promise<void> => {
    for (let at = 0; phase.is !== "done"; at += 1) {
      const tenant = tenants[at % 2];
      assert(tenant !== undefined, "there are two tenants");
      // Each lane has rows of its own, so that it knows what it wrote last.
      const id = `c${String(1 + ((at * 37) % 1_200) * 2 + lane)}`;
      const value = `200-${String(lane)}-${String(at)}`;
      const node = phase.is;
      if (node === "old") await db.client.once(tenant, as(tenant), WRITE_PLAIN, [id, value]);
      else await stage.writeBoth(tenant, id, value);
      truth.set(`${tenant}/${id}`, value);
      writes += 1;
      const seen =
        node === "old"
          ? (await db.client.once(tenant, as(tenant), READ_PLAIN, [id]))[0]?.ssn
          : await stage.read(tenant, id);
      expect(seen).toBe(value);
    }
  };
  const lanes = Promise.all([work(0), work(1)]);
  const moving = (async () => {
    try {
      expect(await adopt(owner(), REQUEST, "verify")).toMatchObject({ step: "verified", verified: { differences: 0 } });
      phase.is = "both";
      expect((await adopt(owner(), REQUEST, "cut-over")).step).toBe("cut");
    } finally {
      phase.is = "done";
    }
  })();
  await Promise.all([lanes, moving]);
  expect(writes).toBeGreaterThan(50);

  expect(await count("ssn_sealed is null")).toBe(0);
  expect((await adopt(owner(), REQUEST, "drop")).step).toBe("dropped");
  expect(await shape()).toEqual([
    "column client_id text not null",
    "column row_key bytea",
    "column ssn_sealed bytea not null",
    "column ssn_sealed_eq bytea",
    "column tenant_id text not null",
    "constraint client_pkey",
    "constraint row_key_sealed",
    "constraint ssn_sealed_eq_sealed",
    "constraint ssn_sealed_sealed",
    "forced true",
    "index shop.client_pkey",
    "index shop.client_ssn_sealed_eq",
    "policy bank_app",
    "policy ringwall_worker",
    "policy tenant_wall",
  ]);
  // Rotation and erasure reach its row keys from now on.
  const registered = await db.owner.query("select row_column, key_column, tag_columns from ringwall.sealed_table");
  expect(registered).toEqual([{ row_column: "client_id", key_column: "row_key", tag_columns: ["ssn_sealed_eq"] }]);
  for (const tenant of tenants) {
    const rows = await db.owner.query<{ client_id: string; row_key: Buffer; ssn_sealed: Buffer }>(
      "select client_id, row_key, ssn_sealed from shop.client where tenant_id = $1",
      [tenant],
    );
    const opened = await stage.clients.openMany(tenant, rows);
    rows.forEach(({ client_id: id }, at) => {
      const original = `100-00-${id.slice(1).padStart(4, "0")}`;
      expect(opened[at]?.ssn_sealed).toBe(truth.get(`${tenant}/${id}`) ?? original);
    });
    expect(rows).toHaveLength(2_500);
  }
});

test("a crash before any statement of the whole way is mended by running it again", async () => {
  stage = await upkeepStage(6);
  const { owner, tenants } = stage;
  let crashes = 0;
  for (let nth = 1; ; nth += 1) {
    const { crashed, db } = crashingBefore(owner().db, nth);
    const ended = await adopt(owner({ db }), REQUEST, "drop").then(
      ({ step }) => step,
      (error: Error) => error.message,
    );
    expect(ended).toBe(crashed() ? "the process ended here" : "dropped");
    if (!crashed()) break;
    crashes += 1;
    for (const tenant of tenants) expect(await readWhatIsThere(tenant)).toBe("100-00-0005");
    expect((await adopt(owner(), REQUEST, "drop")).step).toBe("dropped");
    for (const tenant of tenants) expect(await readWhatIsThere(tenant)).toBe("100-00-0005");
    await undoToNothing();
  }
  expect(crashes).toBeGreaterThan(60);
});

/** Reads as an application that takes the twin where there is one, with whatever columns there are at the moment. */
async function readWhatIsThere(tenant: TenantId): Promise<unknown> {
  const [row] = await stage.db.owner.query<{ row: Record<string, string> }>(
    "select to_jsonb(c) as row from shop.client c where client_id = 'c5' and tenant_id = $1",
    [tenant],
  );
  const bytes = (text: string | undefined): Buffer => Buffer.from((text ?? "").slice(2), "hex");
  if (typeof row?.row["ssn_sealed"] !== "string") return row?.row["ssn"];
  const found = { client_id: "c5", row_key: bytes(row.row["row_key"]), ssn_sealed: bytes(row.row["ssn_sealed"]) };
  return (await stage.clients.open(tenant, found)).ssn_sealed;
}

async function undoToNothing(): Promise<void> {
  for (let step = 0; step < 4; step += 1) {
    if ((await undoAdoption(stage.owner(), REQUEST)).step === "none") return;
  }
  throw new Error("an undo ends");
}

test("every step has a way back, and at its end the table is as it was", async () => {
  stage = await upkeepStage(40);
  const { owner, tenants } = stage;
  const before = await shape();
  const values = await stage.db.owner.query("select tenant_id, client_id, ssn from shop.client order by 1, 2");
  await adopt(owner(), REQUEST, "verify");
  expect(await undoAdoption(owner(), REQUEST)).toEqual({ step: "none" });
  expect(await shape()).toEqual(before);
  expect(await undoAdoption(owner(), REQUEST)).toEqual({ step: "none" });

  await adopt(owner(), REQUEST, "cut-over");
  for (const tenant of tenants) expect(await stage.read(tenant, "c1")).toBe("100-00-0001");
  expect((await undoAdoption(owner(), REQUEST)).step).toBe("prepared");
  await adopt(owner(), REQUEST, "drop");
  expect((await undoAdoption(owner(), REQUEST)).step).toBe("cut");
  expect(await count("ssn is not null")).toBe(0);
  // An undo that is interrupted is finished by another one, and by nothing else.
  const { db } = crashingBefore(owner().db, 12);
  await expect(undoAdoption(owner({ db }), REQUEST)).rejects.toThrow("ended here");
  await expect(adopt(owner(), REQUEST, "cut-over")).rejects.toMatchObject({ code: "resource.conflict" });
  expect((await undoAdoption(owner(), REQUEST)).step).toBe("prepared");
  expect((await undoAdoption(owner(), REQUEST)).step).toBe("none");
  expect(await shape()).toEqual(before);
  expect(await stage.db.owner.query("select tenant_id, client_id, ssn from shop.client order by 1, 2")).toEqual(values);
});

test("after the cut plaintext alone is refused, and a write of both keeps the sealed one", async () => {
  stage = await upkeepStage(20);
  const { as, db, owner, tenants } = stage;
  const [north] = tenants;
  if (north === undefined) throw new Error("there is a tenant");
  await adopt(owner(), REQUEST, "verify");
  // Before it, plaintext is the truth: an old twin never stands beside a new value.
  await db.client.once(north, as(north), WRITE_PLAIN, ["c1", "300-00-0001"]);
  expect(
    await count("client_id = 'c1' and tenant_id = 'north' and (ssn_sealed is not null or ssn_sealed_eq is not null)"),
  ).toBe(0);
  await adopt(owner(), REQUEST, "cut-over");
  await expect(db.client.once(north, as(north), WRITE_PLAIN, ["c1", "plain"])).rejects.toMatchObject({
    code: "request.invalid",
  });
  await expect(db.client.once(north, as(north), INSERT_PLAIN, ["new", "plain"])).rejects.toMatchObject({
    code: "request.invalid",
  });
  await stage.writeBoth(north, "c1", "400-00-0001");
  expect(await count("client_id = 'c1' and tenant_id = 'north' and ssn is null")).toBe(1);
  expect(await stage.read(north, "c1")).toBe("400-00-0001");
});

test("twins that differ, rows of unknown tenants and tables that are not ours are refused with the way out", async () => {
  stage = await upkeepStage(20);
  const { db, owner } = stage;
  await adopt(owner(), REQUEST, "verify");
  // Somebody who writes the database puts another row's value, and another row's tag, in the place.
  const swap = (column: string) =>
    db.owner.query(`update shop.client set ${column} = (select ${column} from shop.client where client_id = 'c2' and tenant_id = 'north')
      where client_id = 'c1' and tenant_id = 'north'`);
  await swap("ssn_sealed_eq");
  await expect(adopt(owner(), REQUEST, "cut-over")).rejects.toThrow(
    "1 twins differ from their plaintext; empty them and run again: north/c1",
  );
  await swap("ssn_sealed");
  await expect(adopt(owner(), REQUEST, "cut-over")).rejects.toThrow("north/c1");
  await db.owner.query("update shop.client set ssn_sealed = null where client_id = 'c1'");
  await db.owner.query("insert into shop.client (tenant_id, client_id, ssn) values ('stranger', 's', '1')");
  await expect(adopt(owner(), REQUEST, "cut-over")).rejects.toThrow("not in the register: stranger");
  for (const [over, words] of [
    [{ table: "shop.nothing" }, "no table"],
    [{ table: "ringwall.tenant" }, "primary key must be"],
    [{ table: "client" }, "with its schema"],
    [{ column: "client" }, "no column client"],
    [{ column: 'x"; drop table shop.client; --' }, "plain name"],
    [{ column: "tenant_id", twin: "client_id" }, "that no adoption made"],
    [{ column: "client_id", twin: "ssn_sealed" }, "twin of another column"],
  ] as const) {
    await expect(adopt(owner(), { ...REQUEST, ...over }, "verify")).rejects.toThrow(words);
  }
  await expect(adopt(owner(), { ...REQUEST, twin: "other", rows: 10 }, "verify")).rejects.toThrow("fewer than 16 rows");
});
