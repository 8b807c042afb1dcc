import { afterEach, expect, test } from "vitest";
import { adopt, measureTable, retagTable } from "./index.ts";
import { REQUEST, type UpkeepStage, upkeepStage } from "./stage.fixture.ts";

let stage: UpkeepStage;
afterEach(async () => {
  await stage.close();
});
const policies = async (): Promise<number> =>
  (await stage.db.owner.query("select 1 from pg_policy where polrelid = 'shop.client'::regclass")).length;

/** One value in half of the rows, another in a quarter, and so on. */
async function skewed(rows: number): Promise<void> {
  stage = await upkeepStage(rows);
  await stage.db.owner.query(
    "update shop.client set ssn = case when tenant_id = 'north' then 'north-' || floor(log(2, substr(client_id, 2)::numeric)) else ssn end",
  );
}

test("the measurement says what a reader of the database learns, tenant by tenant, and leaves nothing behind", async () => {
  await skewed(255);
  await adopt(stage.owner(), { ...REQUEST, rows: 256 }, "drop");
  const before = await policies();
  const report = await measureTable(stage.owner(), "shop.client");
  expect(report).toMatchObject({ table: "shop.client", tenants: 2, rows: 510 });
  const [byTag, byLength] = report.parts;
  expect(byTag).toMatchObject({ of: "ssn_sealed", by: "ssn_sealed_eq", unique: false, rows: 510, held: 510, nulls: 0 });
  if (byTag === undefined || byLength === undefined) throw new Error("both parts are measured");
  // North's most frequent value is in 128 of 255 rows; every value of south is there once.
  expect(byTag.guessing).toBeCloseTo((128 + 1) / 510, 10);
  expect(byTag.frequency).toBeGreaterThan(byTag.guessing);
  expect(byTag.ceiling).toBeGreaterThanOrEqual(byTag.frequency);
  expect(byTag.worst?.tenant).toBe("north");
  expect(byTag.largestBucket).toBeGreaterThanOrEqual(128);
  expect(byLength).toMatchObject({ by: "length", seen: 2 });
  // All of a tenant's values are equally long: their length tells nothing beyond guessing.
  expect(byLength.frequency).toBeCloseTo(byLength.guessing, 10);
  expect(report.alone).toBeLessThan(0.5);
  expect(await policies()).toBe(before);
  expect(JSON.stringify(report)).not.toMatch(/100-00-|north-/);
  const part = await measureTable(stage.owner(), "shop.client", 100);
  expect(part.rows).toBe(200);
});

test("what cannot be measured is said: a table that is not sealed, and values that do not open", async () => {
  stage = await upkeepStage(20);
  await expect(measureTable(stage.owner(), "shop.client")).rejects.toThrow(
    "no column of shop.client is known to be sealed",
  );
  await adopt(stage.owner(), REQUEST, "drop");
  await stage.db.owner.query("update shop.client set ssn_sealed = (select ssn_sealed from shop.client limit 1)");
  const before = await policies();
  await expect(measureTable(stage.owner(), "shop.client")).rejects.toMatchObject({ code: "keys.decrypt_failed" });
  // The policy goes with an error, too.
  expect(await policies()).toBe(before);
});

test("after a rotation of the index key rows are tagged anew, and are found before, meanwhile and after", async () => {
  stage = await upkeepStage(700);
  const { clients, db, keys, owner, tenants } = stage;
  await adopt(owner(), REQUEST, "drop");
  const [north, south] = tenants;
  if (north === undefined || south === undefined) throw new Error("there are two tenants");
  await keys.rotate(north, "index", { type: "system", capability: "keys.manage" });
  const found = async (): Promise<string[]> => {
    const { tags } = await clients.search(north, "ssn_sealed_eq", "100 00 0042");
    const hits = await db.owner.query<{ client_id: string; row_key: Buffer; ssn_sealed: Buffer }>(
      "select client_id, row_key, ssn_sealed from shop.client where tenant_id = 'north' and ssn_sealed_eq = any($1::bytea[])",
      [tags],
    );
    const search = await clients.search(north, "ssn_sealed_eq", "100 00 0042");
    return (await clients.matching(north, search, hits)).map(({ found: row }) => row.client_id);
  };
  expect(await found()).toEqual(["c42"]);
  const abort = new AbortController();
  // Interrupted after its first page.
  const stopped = retagTable(owner({ signal: abort.signal }), "shop.client", () => abort.abort());
  await expect(stopped).rejects.toThrow();
  expect(await found()).toEqual(["c42"]);
  expect(await retagTable(owner(), "shop.client")).toBe(200);
  expect(await found()).toEqual(["c42"]);
  expect(await retagTable(owner(), "shop.client")).toBe(0);
  const versions = await db.owner.query(
    "select tenant_id, get_byte(ssn_sealed_eq, 1) as key, count(*)::int as n from shop.client group by 1, 2 order by 1",
  );
  expect(versions).toEqual([
    { tenant_id: "north", key: 2, n: 700 },
    { tenant_id: "south", key: 1, n: 700 },
  ]);
});
