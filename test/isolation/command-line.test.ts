import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { escapeIdentifier } from "pg";
import { expect, test } from "vitest";
import { commands } from "../../apps/cli/commands/index.ts";
import { recorded, temporaryFolder } from "../../apps/cli/context.fixture.ts";
import { run } from "../../apps/cli/run.ts";
import { inspectionAccess } from "../../src/adapters/postgres/index.ts";
import { IsolationSettings, planIsolation, planMigration, readCatalog } from "../../src/data/isolation/index.ts";
import { freePort, testDatabase } from "../../src/testing/index.ts";

const SETTINGS = join(import.meta.dirname, "../../examples/shop-schema/tenancy.json");

async function verify(...words: string[]): Promise<readonly [number, string]> {
  const { context, err, out } = recorded({ cwd: temporaryFolder() });
  const code = await run(commands, ["tenancy", "verify", ...words], context);
  return [code, [...err, ...out].join("\n")];
}

test("a password on the command line is refused with the way out, and never repeated", async () => {
  const [code, said] = await verify("--url", "postgres://owner:tide-knot-52@127.0.0.1/shop", "--settings", SETTINGS);
  expect(code).toBe(2);
  expect(said).toContain("--url-file");
  expect(said).not.toContain("tide-knot-52");
});

test("a database that does not answer ends with 3, missing settings with the way to them", async () => {
  const url = `postgres://owner@127.0.0.1:${await freePort()}/shop`;
  const [code, said] = await verify("--url", url, "--settings", SETTINGS);
  expect([code, said]).toEqual([3, expect.stringContaining("cannot be reached")]);
  expect(await verify("--url", url)).toEqual([1, expect.stringContaining("ringwall tenancy init")]);
  expect(await verify("--url", url, "--check", "no-such-check")).toEqual([2, expect.stringContaining("no-such-check")]);
});

test("the self-test asks for a superuser, and a seed for the self-test", async () => {
  expect(await verify("--url", "postgres://a@127.0.0.1/a", "--settings", SETTINGS, "--seed", "7")).toEqual([
    2,
    expect.stringContaining("--self-test"),
  ]);
  expect(await verify("--url", "postgres://a@127.0.0.1/a", "--self-test", "--seed", "seven")).toEqual([
    2,
    expect.stringContaining("whole number"),
  ]);
  const db = await testDatabase();
  try {
    const folder = temporaryFolder();
    const { database, host, port } = db.target("ringwall_app");
    const password = join(folder, "password");
    writeFileSync(password, (await db.target("ringwall_app").credential()).open(), { mode: 0o600 });
    const url = `postgres://ringwall_app@localhost:${port}/${database}?host=${encodeURIComponent(host)}`;
    const [code, said] = await verify("--url", url, "--password-file", password, "--self-test");
    expect([code, said]).toEqual([1, expect.stringContaining("superuser")]);
  } finally {
    await db.close();
  }
});

/** Names that end a literal, an identifier, a comment or a statement, where they are not quoted. */
const HOSTILE = [
  'x"; drop table public.witness; --',
  "x'; drop table public.witness; --",
  "line\nbreak; drop table public.witness;",
  "*/ drop table public.witness; /*",
  "$$; drop table public.witness; $$",
  "select",
  "таблица\u202e",
  "USING btree (",
];

test("no name of a schema becomes a statement of its migration", async () => {
  const db = await testDatabase();
  try {
    const user = (await db.owner.query<{ name: string }>("select current_user as name"))[0]?.name ?? "";
    await db.owner.query("create table public.witness (id int primary key)");
    await db.owner.query("create schema hostile");
    const tenant = escapeIdentifier('tenant"; drop table public.witness; --');
    let parent: string | undefined;
    for (const name of HOSTILE) {
      const [id, table] = [escapeIdentifier(`${name} id`), `hostile.${escapeIdentifier(name)}`];
      const reference: string =
        parent === undefined ? "" : `, ${escapeIdentifier(`${name} up`)} int references ${parent}`;
      await db.owner.query(
        `create table ${table} (${id} int, ${tenant} text not null, constraint ${escapeIdentifier(`${name} key`)} primary key (${id})${reference})`,
      );
      await db.owner.query(`create unique index ${escapeIdentifier(`${name} index`)} on ${table} ((${id} + 1))`);
      await db.owner.query(`create view hostile.${escapeIdentifier(`${name} view`)} as select * from ${table}`);
      await db.owner.query(`create policy ${escapeIdentifier(name)} on ${table} using (true)`);
      parent = table;
    }
    await db.owner.query("grant usage on schema hostile to bank_app");
    await db.owner.query("grant all on all tables in schema hostile to bank_app");
    const settings = IsolationSettings.parse({
      schemas: ["hostile"],
      tenantColumns: ['tenant"; drop table public.witness; --'],
      appRoles: ["bank_app"],
    });
    const plan = async () => {
      const session = await inspectionAccess(db.target(user)).connect();
      try {
        return await planIsolation(await readCatalog(session), settings);
      } finally {
        await session.close();
      }
    };
    await db.owner.query(planMigration(await plan()));
    const again = await plan();
    expect([again.steps, again.decisions]).toEqual([[], []]);
    expect(await db.owner.query("select * from public.witness")).toEqual([]);
  } finally {
    await db.close();
  }
});
