import { sql } from "kysely";
import { openSql } from "ringwall/adapters/postgres";
import { wall } from "ringwall/migrations";
import { type TestDatabase, testDatabase } from "ringwall/testing";
import { afterAll, beforeAll, expect, test } from "vitest";
import { recorded, temporaryFolder } from "../../context.fixture.ts";
import type { DataPaths } from "../../data-directory.ts";
import { run } from "../../run.ts";
import { commands } from "../index.ts";
import { installation } from "./installation.fixture.ts";

let db: TestDatabase;
let paths: DataPaths;
beforeAll(async () => {
  db = await testDatabase();
  paths = await installation(db);
  const owner = openSql(db.target("ringwall_migrate"));
  await sql`create schema shop`.execute(owner);
  await sql`
    create table shop.client (
      tenant_id text not null default ringwall.tenant(), client_id uuid not null, ssn text not null,
      primary key (tenant_id, client_id)
    )`.execute(owner);
  await wall(owner, "shop.client", {});
  await owner.destroy();
  for (const tenant of ["north", "south"]) {
    await db.createTenant(tenant);
    await db.owner.query(
      "insert into shop.client select $1, gen_random_uuid(), 'number 100-00-' || (n % 20) from generate_series(1, 100) as n",
      [tenant],
    );
  }
});
afterAll(async () => {
  await db.close();
});

async function fields(...words: string[]): Promise<{ code: number; out: string[]; err: string[] }> {
  const { context, out, err } = recorded({ cwd: temporaryFolder() }, { clock: db.clock });
  const code = await run(commands, ["fields", ...words, "--data", paths.root], context);
  return { code, out, err };
}
const COLUMN = ["--table", "shop.client", "--column", "ssn"];

test("a column is moved, measured and tagged from the command line, and no value is ever printed", async () => {
  const said: string[] = [];
  const say = async (...words: string[]): Promise<string> => {
    const { code, err, out } = await fields(...words);
    said.push(...out, ...err);
    expect([code, err.filter((line) => line.startsWith("error"))]).toEqual([0, []]);
    return out.join("\n");
  };
  const index = ["--equality", "digits", "--rows", "100"];
  const dry = await say("adopt", ...COLUMN, ...index, "--dry-run");
  expect(dry).toContain("step none; twin ssn_sealed, row key row_key, id client_id");
  expect(dry).toContain("ssn_sealed_eq (digits, 5 bits)");
  const columns = () =>
    db.owner.query("select 1 from pg_attribute where attrelid = 'shop.client'::regclass and attname = 'ssn_sealed'");
  expect(await columns()).toEqual([]);

  expect(JSON.parse(await say("adopt", ...COLUMN, ...index, "--json"))).toEqual({
    table: "shop.client",
    column: "ssn",
    step: "verified",
    same: 200,
    pending: 0,
    differences: 0,
  });
  expect(await say("adopt", ...COLUMN, "--cut-over")).toContain("the twin is the truth");
  expect(await say("adopt", ...COLUMN, "--undo")).toContain("plaintext is the truth");
  expect(await say("adopt", ...COLUMN, "--drop")).toContain("the plaintext is gone");
  const report = JSON.parse(await say("leakage", "shop.client", "--json"));
  expect(report).toMatchObject({ table: "shop.client", tenants: 2, rows: 200 });
  expect(report.parts[0]).toMatchObject({ by: "ssn_sealed_eq", values: 40, unique: false });
  const table = await say("leakage", "shop.client", "--rows", "50");
  expect(table).toMatch(/^column\s+seen by\s+rows\s+nulls\s+seen\s+largest\s+guess\s+attack\s+ceiling\nssn_sealed\s/);
  expect(table).toContain("100 rows of 2 tenants");
  expect(await say("retag", "shop.client")).toBe("shop.client: 0 rows tagged anew");
  expect(said.join("\n")).not.toContain("100-00-");
  const noted = await db.owner.query("select 1 from ringwall.audit_outbox where tenant_id = 'platform'");
  expect(noted.length).toBeGreaterThan(5);
});

test("what cannot be done is refused before anything is done, with the way out", async () => {
  for (const [words, code, part] of [
    [["adopt", "--table", "shop.client"], 2, "--table and --column are needed"],
    [["adopt", ...COLUMN, "--undo", "--drop"], 2, "do not go together"],
    [["adopt", ...COLUMN, "--equality", "rot13"], 2, "--equality is one of"],
    [["adopt", "--table", "shop.client", "--column", "nothing"], 1, "no column nothing"],
    [["adopt", "--table", "shop.client; drop table x", "--column", "ssn"], 1, "with its schema"],
    [["leakage", "ringwall.session"], 1, "no column of ringwall.session is known to be sealed"],
    [["leakage"], 2, "TABLE"],
  ] as const) {
    const { code: exit, err, out } = await fields(...words);
    expect([words, exit, `${err.join(" ")}${out.join(" ")}`]).toEqual([words, code, expect.stringContaining(part)]);
  }
});
