import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { sql } from "kysely";
import { openSql } from "ringwall/adapters/postgres";
import { PLATFORM_TENANT, tenantId } from "ringwall/core";
import { contextSigner } from "ringwall/data/tenants";
import { type ExportSink, exportTenant } from "ringwall/data/upkeep";
import { MIGRATIONS, migrate } from "ringwall/migrations";
import { type TestDatabase, testDatabase } from "ringwall/testing";
import { afterAll, beforeAll, expect, test } from "vitest";
import { temporaryFolder } from "../../../context.fixture.ts";
import { ExportFolder } from "./folder.ts";

let db: TestDatabase;
let owner: ReturnType<typeof openSql>;

beforeAll(async () => {
  db = await testDatabase();
  owner = openSql(db.target("ringwall_migrate"));
  await sql`create schema shop`.execute(owner);
  await sql`
    create table shop."Odd ""name"" /.." (
      tenant_id text not null default ringwall.tenant(), id int not null, document json, token text,
      primary key (tenant_id, id))`.execute(owner);
  const table = sql.id("shop", `Odd "name" /..`);
  await sql`alter table ${table} enable row level security`.execute(owner);
  await sql`alter table ${table} force row level security`.execute(owner);
  await sql`create policy w on ${table} as restrictive using (tenant_id = (select ringwall.tenant()))`.execute(owner);
  await migrate(owner, MIGRATIONS);
  for (const tenant of ["north", "south"]) {
    await db.createTenant(tenant);
    await db.owner.query(
      `insert into shop."Odd ""name"" /.." select $1::text, n, (E'{"of":\\n"' || $1::text || '"}')::json, 'hidden' from generate_series(1, 250) n`,
      [tenant],
    );
  }
});
afterAll(async () => {
  await owner.destroy();
  await db.close();
});

const from = (signal = new AbortController().signal) => ({
  clock: db.clock,
  db: owner,
  signal,
  signer: contextSigner(db.contextKey),
});

test("an export holds every row of its tenant and none of another's, each file as its manifest says", async () => {
  const target = join(temporaryFolder(), "north");
  const folder = new ExportFolder(target);
  const facts = await exportTenant(from(), tenantId("north"), folder, [`shop.Odd "name" /...token`]);
  expect(existsSync(target)).toBe(false);
  folder.finish(folder.manifest("north", facts));
  const manifest = JSON.parse(readFileSync(join(target, "manifest.json"), "utf8")) as {
    tables: { file: string; table: string; rows: number; sha256: string }[];
  };
  let all = "";
  for (const { file, rows, sha256 } of manifest.tables) {
    const text = readFileSync(join(target, file), "utf8");
    expect(createHash("sha256").update(text).digest("hex")).toBe(sha256);
    expect(text.split("\n").filter((line) => line !== "").length).toBe(rows);
    for (const line of text.trimEnd().split("\n")) if (line !== "") JSON.parse(line);
    all += text;
  }
  expect(manifest.tables.find(({ table }) => table.startsWith("Odd"))?.rows).toBe(250);
  expect(all).toContain("north");
  expect(all).not.toContain("south");
  expect(all).not.toContain("hidden");
});

test("one that is cut off leaves nothing that looks whole, and the platform is not exported", async () => {
  const parent = temporaryFolder();
  const folder = new ExportFolder(join(parent, "south"));
  const stop = new AbortController();
  const failing: ExportSink = {
    begin: (table) => folder.begin(table),
    end: () => folder.end(),
    async write(rows) {
      await folder.write(rows);
      stop.abort();
    },
  };
  await expect(exportTenant(from(stop.signal), tenantId("south"), failing)).rejects.toThrow();
  expect(readdirSync(parent)).toEqual(["south.part"]);
  folder.abandon();
  expect(readdirSync(parent)).toEqual([]);
  await expect(exportTenant(from(), PLATFORM_TENANT, folder)).rejects.toMatchObject({ code: "access.denied" });
});
