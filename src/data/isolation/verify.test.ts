import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { inspectionAccess } from "../../adapters/postgres/index.ts";
import { type TestDatabase, testDatabase } from "../../testing/index.ts";
import { readCatalogWithin } from "./catalog/index.ts";
import { IsolationSettings, judge, RINGWALL_SETTINGS, verifyStatic } from "./index.ts";

/** With the login of the example's application beside those of the product. */
const OWN: IsolationSettings = { ...RINGWALL_SETTINGS, appRoles: [...RINGWALL_SETTINGS.appRoles, "bank_app"] };
const AT = "2026-01-01T00:00:00.000Z";
let stage: TestDatabase;
beforeAll(async () => {
  stage = await testDatabase();
});
afterAll(async () => {
  await stage.close();
});

test("every tenant table of Ringwall's own schema is walled, with every exception used", async () => {
  const report = await verifyStatic(inspectionAccess(stage.target("postgres")), OWN, AT);
  expect(report.skipped).toEqual([]);
  expect(report.verdicts.filter(({ state }) => state !== "WALLED" && state !== "GLOBAL")).toEqual([]);
  expect(report.verdicts.filter(({ state }) => state === "WALLED").length).toBeGreaterThan(20);
  expect(report.findings.filter(({ level }) => level === "error")).toEqual([]);
  const used = new Set(report.excepted.map(({ reason }) => reason));
  // Those of the probes are looked at where the probes run.
  const idle = OWN.exceptions.filter(({ check, reason }) => !check.startsWith("probe-") && !used.has(reason));
  expect(idle).toEqual([]);
});

test("a login that may not read functions is told unknown, not walled", async () => {
  const report = await verifyStatic(inspectionAccess(stage.target("bank_app")), OWN, AT);
  expect(report.findings.filter(({ check }) => check === "definer-unread").length).toBeGreaterThan(10);
  expect(report.findings.every(({ check, unknown }) => check !== "definer-unread" || unknown === true)).toBe(true);
});

const WALL = "using (tenant_id = (select ringwall.tenant()))";
const SCHEMA = `
  create schema app;
  grant usage on schema app to bank_app;
  create table app.doc (tenant_id text not null, id integer not null, body text, primary key (tenant_id, id));
  alter table app.doc enable row level security;
  alter table app.doc force row level security;
  create policy wall on app.doc as restrictive ${WALL};
  create policy app on app.doc to bank_app using (true);
  grant select, insert, update, delete on app.doc to bank_app;
  create table app.country (code text primary key);
  grant select on app.country to bank_app`;

/** The states of the tables after something was planted beside a walled one. */
async function states(plant: string): Promise<Readonly<Record<string, string>>> {
  const session = await inspectionAccess(stage.target("postgres"), { writes: true }).connect();
  try {
    await session.query("begin");
    const statements = `${SCHEMA}${plant === "" ? "" : `; ${plant}`}`.split(/;\s+(?=alter|create|grant|revoke)/);
    for (const statement of statements) await session.query(statement);
    const settings = IsolationSettings.parse({
      schemas: ["app"],
      appRoles: ["bank_app"],
      globalTables: [{ table: "app.country", reason: "The countries of the world." }],
    });
    const judged = await judge(await readCatalogWithin(session), settings);
    expect(judged.skipped).toEqual([]);
    return Object.fromEntries(judged.verdicts.map(({ table, state }) => [table, state]));
  } finally {
    await session.query("rollback");
    await session.close();
  }
}

describe("a table's verdict", () => {
  test.each([
    ["is walled when nothing opens it", "", "WALLED"],
    ["is attacked when a policy opens it", `alter policy wall on app.doc using (tenant_id is not null)`, "ATTACKED"],
    ["is attacked when one tenant can empty it", "grant truncate on app.doc to bank_app", "ATTACKED"],
    ["is attacked when row-level security is off", "alter table app.doc disable row level security", "ATTACKED"],
    [
      "is attacked when a view opens it",
      "create view app.v as select * from app.doc; grant select on app.v to bank_app",
      "ATTACKED",
    ],
    [
      "is attacked when a function opens it",
      "create function app.f() returns setof app.doc language sql security definer set search_path = pg_catalog as 'select * from app.doc'",
      "ATTACKED",
    ],
    [
      "is unknown when a policy is not understood",
      "create function app.f(t text) returns boolean language plpgsql as 'begin perform 1; return true; end'; alter policy wall on app.doc using (app.f(tenant_id))",
      "UNKNOWN",
    ],
    ["is walled when no role reaches it", "revoke all on app.doc from bank_app", "WALLED"],
  ])("%s", async (_title, plant, state) => {
    expect(await states(plant)).toMatchObject({ "app.doc": state, "app.country": "GLOBAL" });
  });

  test("of a child without a column of its own is its parent's, when its policy asks for the parent", async () => {
    const child = `
      alter table app.doc add unique (id);
      create table app.line (id integer primary key, doc integer not null references app.doc (id));
      alter table app.line enable row level security;
      alter table app.line force row level security;
      grant select on app.line to bank_app;
      create policy p on app.line to bank_app using (exists (select from app.doc d where d.id = line.doc))`;
    expect(await states(child)).toMatchObject({ "app.line": "WALLED" });
    expect(await states(`${child}; alter policy p on app.line using (doc > 0)`)).toMatchObject({
      "app.line": "ATTACKED",
    });
  });
});

test("a table without a tenant column, with a policy that lets all rows through, is not walled", async () => {
  const open = `create table app.line (id integer); alter table app.line enable row level security;
    create policy app on app.line to bank_app using (true); grant select on app.line to bank_app`;
  expect((await states(open))["app.line"]).not.toBe("WALLED");
});
