import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { sql } from "kysely";
import { openSql } from "ringwall/adapters/postgres";
import { PLATFORM_TENANT, tenantId } from "ringwall/core";
import { contextSigner } from "ringwall/data/tenants";
import { type ExportSink, exportTenant } from "ringwall/data/upkeep";
import { MIGRATIONS, migrate } from "ringwall/migrations";
import { type TestDatabase, testDatabase } from "ringwall/testing";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { recorded, temporaryFolder } from "../../../context.fixture.ts";
import type { DataPaths } from "../../../data-directory.ts";
import { run } from "../../../run.ts";
import { installation } from "../../fields/installation.fixture.ts";
import { commands } from "../../index.ts";
import { ExportFolder } from "./folder.ts";

let db: TestDatabase;
let paths: DataPaths;
let owner: ReturnType<typeof openSql>;

beforeAll(async () => {
  db = await testDatabase();
  paths = await installation(db);
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

describe("tenants export", () => {
  const command = async (...words: string[]) => {
    const cwd = temporaryFolder();
    const { context, out, err } = recorded({ cwd }, { clock: db.clock });
    const code = await run(commands, ["tenants", "export", ...words, "--data", paths.root], context);
    return { code, out, err, cwd };
  };
  const exported = () =>
    db.owner.query<{ tenant_id: string }>(
      "select tenant_id from ringwall.audit_outbox where strpos(row_to_json(audit_outbox)::text, 'tenant.exported') > 0",
    );

  test("writes nothing on a dry run, and nothing of a tenant that is not there", async () => {
    const dry = await command("north", "--to", "x.tar", "--dry-run");
    expect([dry.code, dry.out[0]]).toEqual([0, expect.stringMatching(/would write \d+ rows of north: .*shop\./)]);
    expect(readdirSync(dry.cwd)).toEqual([]);
    const none = await command("no-such-bank", "--to", "x");
    expect([none.code, readdirSync(none.cwd)]).toEqual([1, []]);
    expect((await command("north")).code).toBe(2);
    expect((await command("../north", "--to", "x")).code).toBe(2);
    expect(await exported()).toEqual([]);
  });

  test("writes one file that tar reads, once, and notes it in the tenant's own audit and the platform's", async () => {
    const { code, cwd, out } = await command("north", "--to", "north.tar", "--json");
    expect([code, JSON.parse(out[0] ?? "")]).toEqual([0, expect.objectContaining({ tenant: "north" })]);
    expect(readdirSync(cwd)).toEqual(["north.tar"]);
    expect(statSync(join(cwd, "north.tar")).mode & 0o777).toBe(0o600);
    const listed = execFileSync("tar", ["-tf", join(cwd, "north.tar")], { encoding: "utf8" }).split("\n");
    expect(listed[0]).toBe("manifest.json");
    const folder = temporaryFolder();
    execFileSync("tar", ["-xf", join(cwd, "north.tar"), "-C", folder]);
    const manifest = JSON.parse(readFileSync(join(folder, "manifest.json"), "utf8")) as {
      tables: { file: string; sha256: string }[];
    };
    for (const { file, sha256 } of manifest.tables) {
      expect(
        createHash("sha256")
          .update(readFileSync(join(folder, file)))
          .digest("hex"),
      ).toBe(sha256);
    }
    expect((await exported()).map(({ tenant_id: id }) => id).sort()).toEqual(["north", "platform"]);
  });

  test("names a table that the role of migrations does not own, and writes nothing", async () => {
    await db.owner.query(`create table shop.stray (tenant_id text not null default ringwall.tenant(), id int)`);
    await db.owner.query("alter table shop.stray enable row level security, force row level security");
    await db.owner.query("create policy w on shop.stray as restrictive using (tenant_id = (select ringwall.tenant()))");
    const { code, cwd, err } = await command("north", "--to", "north");
    expect([code, readdirSync(cwd)]).toEqual([1, []]);
    expect(err.join("\n")).toMatch(/shop\.stray belongs to .*: make ringwall_migrate its owner; run: ringwall migrate/);
    await db.owner.query("drop table shop.stray");
  });
});
