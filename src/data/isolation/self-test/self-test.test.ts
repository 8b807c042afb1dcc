import { assert, constantFrom, nat, property } from "fast-check";
import { loadModule, parseSync } from "libpg-query";
import { afterAll, beforeAll, expect, test } from "vitest";
import { inspectionAccess } from "../../../adapters/postgres/index.ts";
import { randomBytes, systemClock } from "../../../core/index.ts";
import { type TestDatabase, testDatabase } from "../../../testing/index.ts";
import { disguised } from "./disguise.ts";
import { selfTest, selfTestTable } from "./index.ts";
import { draws } from "./random.ts";

let stage: TestDatabase;
beforeAll(async () => {
  stage = await testDatabase();
  await loadModule();
});
afterAll(async () => await stage.close());

const as = (role: string) => inspectionAccess(stage.target(role), { writes: true });
const seed = randomBytes(4).readUInt32BE();

test("some of the faults, each in a disguise too, are found; all of them are tried in the long suite", async () => {
  const report = await selfTest(as("postgres"), { clock: systemClock, seed, disguises: 1, every: 14 });
  expect(report.passed, selfTestTable(report)).toBe(true);
  expect(report.rows.length).toBeGreaterThan(12);
  const [left] = await stage.owner.query(
    "select (select count(*) from pg_roles where rolname like 'rw\\_%')::int as roles, to_regnamespace('shop') is null as gone",
  );
  expect(left).toEqual({ roles: 0, gone: true });
});

test("a login that may not make others is refused, and so is a database with a schema of the scratch's name", async () => {
  const options = { clock: systemClock, seed };
  await expect(selfTest(as("ringwall_app"), options)).rejects.toMatchObject({ code: "config.invalid" });
  await stage.owner.query("create schema shop");
  await expect(selfTest(as("postgres"), options)).rejects.toMatchObject({ code: "config.invalid" });
  await stage.owner.query("drop schema shop");
});

test("a fault that is not found, and what is found where no fault is, fail the run and are shown", () => {
  const row = {
    fault: "probe-read",
    kind: "live",
    found: true,
    disguises: 3,
    disguisesFound: 2,
    missed: ["not found: select 1"],
  } as const;
  const table = selfTestTable({ seed: 7, rows: [row], falseAlarms: ["probe-count: said so"], passed: false });
  expect(table).toContain("2/3");
  expect(table).toContain("not found: select 1");
  expect(table).toContain("0 of 1 faults found in every dress, 1 false alarms; seed 7: FAILED");
});

const CONDITION = constantFrom(
  "tenant_id = a",
  "a or b",
  "a = b and not c",
  "x in (1, 2) or y like 'or and ('",
  "true",
);

test("a disguise is a statement that PostgreSQL's parser takes, and the same seed puts on the same", () => {
  assert(
    property(nat(), CONDITION, (number, condition) => {
      const plain = [
        `create policy p on shop.customer using (${condition}) with check ((${condition}))`,
        "create function shop.me() returns text language sql stable as $body$select nullif(current_setting('shop.tenant', true), '')$body$",
        "grant select, update on shop.customer to somebody",
      ];
      const wear = (): string[] => disguised(plain, draws(number), { version: 180_000, unused: () => "between" });
      const worn = wear();
      expect(wear()).toEqual(worn);
      for (const statement of worn) expect(parseSync(statement).stmts).toHaveLength(1);
    }),
    { numRuns: 300 },
  );
});

async function printed(): Promise<string> {
  const [row] = await stage.owner.query<{ text: string }>(
    "select pg_get_expr(polqual, polrelid) as text from pg_policy where polname = 'p'",
  );
  return row?.text ?? "";
}

test("a condition in disguise is true for the same rows", async () => {
  await stage.owner.query("create table probed (a boolean, b boolean)");
  for (let number = 0; number < 60; number++) {
    const condition = ["a = b", "a or b", "a and not b", "a is null or b", "not (a or b) and a"][number % 5] ?? "a";
    const wardrobe = { version: 150_000, unused: () => "between" };
    const [worn = ""] = disguised([`create policy p on probed using (${condition})`], draws(seed + number), wardrobe);
    await stage.owner.query(worn);
    const rows = await stage.owner.query(
      `select * from (values (true, true), (true, false), (false, true), (false, false), (null, true), (true, null), (false, null), (null, false), (null, null)) probed(a, b)
       where (${await printed()}) is true <> ((${condition}) is true)`,
    );
    await stage.owner.query("drop policy p on probed");
    expect(rows, `${condition} became ${worn}`).toEqual([]);
  }
});
