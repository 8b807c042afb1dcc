import * as fc from "fast-check";
import { Client } from "pg";
import { afterAll, beforeAll, expect, inject, test } from "vitest";
import { type TestDatabase, testDatabase } from "../../../testing/index.ts";
import { caseProver, loadParser, policyScope, readPolicy } from "./index.ts";
import { plainSurroundings } from "./plain.fixture.ts";

/**
 * The test that what is decided of a policy is what PostgreSQL does.
 * @param runs - How many policies; each is made for real.
 */
export function agreesWithPostgres(runs: number): void {
  beforeAll(async () => {
    await loadParser();
    database = await testDatabase();
    const { host, port, superuser: user, passwords } = inject("ringwallPostgres");
    session = new Client({ host, port, user, password: passwords[user], database: database.name });
    await session.connect();
    await session.query(`
    create schema app;
    create table app.doc (tenant_id text, owner text, published boolean, level integer, tags text[]);
    create table app.member (tenant_id text not null, user_id text, doc integer);
    insert into app.doc
      select t, o, p, l, g from unnest(array['a', 'b', null]) t, unnest(array['a', 'b', 'c', null]) o,
        unnest(array[true, false, null]) p, unnest(array[1, 2, null]) l, (values ('{a,b}'::text[]), ('{}'), (null)) v (g);
    insert into app.member select t, u, d from unnest(array['a', 'b']) t, unnest(array['a', 'b', null]) u, unnest(array[1, 2]) d;
    create function app.tenant() returns text language sql stable
      as 'select nullif(current_setting(''app.tenant'', true), '''')';
    create function app.tenant_pl() returns text language plpgsql stable
      as 'begin return nullif(current_setting(''app.tenant'', true), ''''); end';
    create function app.is_mine(tenant text) returns boolean language sql stable as 'select tenant = app.tenant()';
    create role app_reader nologin;
    grant usage on schema app to app_reader;
    grant select on app.doc, app.member to app_reader;
    alter table app.doc enable row level security;`);
  });

  afterAll(async () => {
    await session.query("drop owned by app_reader; drop role app_reader");
    await session.end();
    await database.close();
  });

  test("PostgreSQL shows no foreign row wherever the wall is said to be implied, and one nearly wherever it is said not to be", async () => {
    const seen = { implies: 0, "does not imply": 0, unknown: 0, shown: 0 };
    await fc.assert(
      fc.asyncProperty(expression, async (text) => {
        const { printed, foreign } = await opens(text);
        const condition = readPolicy(printed, policyScope(plainSurroundings(), "app.doc"));
        const { answer } = caseProver.decide({ condition, tenantNullable: true });
        seen[answer] += 1;
        if (answer === "implies") expect(foreign, printed).toBe(false);
        if (answer === "does not imply" && foreign) seen.shown += 1;
      }),
      { numRuns: runs },
    );
    expect(seen.implies).toBeGreaterThan(runs / 15);
    // A case may need rows that are not there.
    expect(seen.shown).toBeGreaterThan(seen["does not imply"] / 2);
  });
}

let database: TestDatabase;
let session: Client;

const CONTEXTS = ["a", ""];

/** Whether the policy, made for real and read as an ordinary role, shows a row that is not the context's. */
async function opens(expression: string): Promise<{ readonly printed: string; readonly foreign: boolean }> {
  await session.query("begin");
  try {
    await session.query(`create policy p on app.doc using (${expression})`);
    await session.query("set local search_path = pg_catalog, pg_temp");
    const { rows } = await session.query<{ printed: string }>(
      "select pg_get_expr(polqual, polrelid) as printed from pg_policy where polrelid = 'app.doc'::regclass",
    );
    await session.query("set local role app_reader");
    let foreign = false;
    for (const context of CONTEXTS) {
      await session.query("savepoint s");
      try {
        await session.query("select set_config('app.tenant', $1, true)", [context]);
        const found = await session.query(
          "select 1 from app.doc where tenant_id is distinct from nullif($1, '') or tenant_id is null limit 1",
          [context],
        );
        foreign ||= found.rows.length > 0;
      } catch {
        await session.query("rollback to savepoint s");
      }
    }
    return { printed: rows[0]?.printed ?? "", foreign };
  } finally {
    await session.query("rollback");
  }
}

const context = fc.constantFrom(
  "app.tenant()",
  "(select app.tenant())",
  "app.tenant_pl()",
  "nullif(current_setting('app.tenant', true), '')",
  "(select nullif(current_setting('app.tenant', true), ''))::text",
  "app.tenant()::varchar",
);
const plain = fc.constantFrom(
  "tenant_id",
  "doc.tenant_id",
  "tenant_id::varchar",
  "owner",
  "'a'",
  "'b'::text",
  "null",
  "''",
);
const tenantOrContext = fc.oneof({ arbitrary: context, weight: 3 }, { arbitrary: plain, weight: 4 });

const { expression } = fc.letrec<{ expression: string; condition: string; text: string }>((tie) => ({
  text: fc.oneof(
    { depthSize: "small" },
    tenantOrContext,
    fc.tuple(tie("text"), tie("text")).map(([a, b]) => `coalesce(${a}, ${b})`),
    fc.tuple(tie("text"), tie("text")).map(([a, b]) => `nullif(${a}, ${b})`),
    fc.tuple(tie("condition"), tie("text"), tie("text")).map(([c, a, b]) => `case when ${c} then ${a} else ${b} end`),
    tie("text").map((a) => `upper(${a})`),
    fc.constantFrom(
      "left(tenant_id, 0)",
      "(select m.tenant_id from app.member m where m.tenant_id = app.tenant() limit 1)",
    ),
  ),
  condition: fc.oneof(
    { depthSize: "small" },
    fc
      .tuple(tie("text"), fc.constantFrom("=", "=", "=", "<>", "<", ">="), tie("text"))
      .map(([a, operator, b]) => `(${a} ${operator} ${b})`),
    context.map((c) => `(tenant_id = ${c})`),
    fc.tuple(tie("text"), tie("text"), tie("text")).map(([a, b, c]) => `(${a} in (${b}, ${c}))`),
    fc.tuple(tie("text"), tie("text")).map(([a, b]) => `(${a} = any (array[${b}]::text[]))`),
    fc.tuple(tie("text"), tie("text")).map(([a, b]) => `(${a} is not distinct from ${b})`),
    fc.tuple(tie("text"), tie("text"), tie("text")).map(([a, b, c]) => `(${a} between ${b} and ${c})`),
    fc.tuple(tie("text"), tie("text")).map(([a, b]) => `((${a}, level) = (${b}, 1))`),
    tie("text").map((a) => `(${a} is null)`),
    fc.constantFrom(
      "published",
      "(level = 1)",
      "(published is not true)",
      "true",
      "false",
      "(tenant_id = any (tags))",
      "app.is_mine(tenant_id)",
      "app.is_mine(owner)",
      "exists (select 1 from app.member m where m.tenant_id = doc.tenant_id and m.tenant_id = app.tenant())",
      "exists (select 1 from app.member m where m.tenant_id = app.tenant() and m.doc = doc.level)",
      "(tenant_id in (select m.tenant_id from app.member m where m.user_id = app.tenant()))",
      "exists (select from app.member m join app.member n on n.tenant_id = m.tenant_id where m.tenant_id = app.tenant() and n.tenant_id = doc.tenant_id)",
    ),
  ),
  expression: fc.oneof(
    { depthSize: "medium" },
    tie("condition"),
    fc.tuple(tie("expression"), tie("expression")).map(([a, b]) => `(${a} and ${b})`),
    fc.tuple(tie("expression"), tie("expression")).map(([a, b]) => `(${a} or ${b})`),
    tie("expression").map((a) => `(not ${a})`),
    fc.tuple(tie("expression"), fc.constantFrom("true", "false", "null")).map(([a, b]) => `coalesce(${a}, ${b})`),
    fc
      .tuple(tie("expression"), fc.constantFrom("is true", "is not false", "is unknown"))
      .map(([a, b]) => `(${a} ${b})`),
  ),
}));
