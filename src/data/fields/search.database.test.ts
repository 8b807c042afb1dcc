import { type Kysely, sql } from "kysely";
import { afterAll, beforeAll, expect, test } from "vitest";
import { sealColumns, wall } from "../../../migrations/index.ts";
import { openSql } from "../../adapters/postgres/index.ts";
import { statement, type TenantId } from "../../core/index.ts";
import { type TestDatabase, testDatabase } from "../../testing/index.ts";
import { testKeys } from "../../testing/keys.ts";
import { catalogueProblems, createFields, sealed, sealedTable, tableFromComments } from "./index.ts";

const PERSON = sealedTable(
  "shop.person",
  { row: "person_id", rows: 1_024 },
  sealed("ssn").equality({ normaliser: "digits", partitions: 3 }).lastFour(),
  sealed("email").nullable().equality({ normaliser: "text", unique: true }),
  sealed("memo").nullable().asText(),
);
const INSERT = statement(
  "test.insert_person",
  "insert into shop.person (person_id, row_key, ssn, ssn_eq, ssn_last4, email, email_eq, memo) values ($1, $2, $3, $4, $5, $6, $7, $8)",
);
interface Row {
  person_id: string;
  row_key: Buffer;
  ssn: Buffer;
}
const FIND = statement<Row>(
  "test.find_person",
  "select person_id, row_key, ssn from shop.person where ssn_last4 = any($1::bytea[])",
);
const FIND_WHOLE = statement<Row>(
  "test.find_person_whole",
  "select person_id, row_key, ssn from shop.person where ssn_eq = any($1::bytea[])",
);
const KEY_KEEPER = { type: "system", capability: "keys.manage" } as const;

let db: TestDatabase;
let owner: Kysely<unknown>;
let keys: Awaited<ReturnType<typeof testKeys>>["keys"];
let tenants: TenantId[];
beforeAll(async () => {
  db = await testDatabase();
  owner = openSql(db.target("ringwall_migrate"));
  ({ keys } = await testKeys());
  tenants = [await db.createTenant("north"), await db.createTenant("south")];
  await sql`create schema shop`.execute(owner);
  await sql`grant usage on schema shop to bank_app`.execute(owner);
  await sql`
    create table shop.person (
      tenant_id text not null default ringwall.tenant(), person_id text not null, primary key (tenant_id, person_id)
    )`.execute(owner);
  await wall(owner, "shop.person", { bank_app: ["select", "insert", "update"] });
  await sealColumns(owner, PERSON);
});
afterAll(async () => {
  await owner.destroy();
  await db.close();
});

const actor = (tenant: TenantId) => ({ type: "service", tenant, name: "shop" }) as const;

test("a search finds exactly the rows of its value and tenant, before and after the index key is rotated", async () => {
  const people = createFields({ keys }).table(PERSON);
  const ssnOf = (at: number): string => `${String(100 + (at % 7))}-00-${String(1_000 + (at % 40))}`;
  const insert = async (tenant: TenantId, from: number, count: number): Promise<void> => {
    const rows = Array.from({ length: count }, (_, at) => ({
      row: `p${String(from + at)}`,
      values: { ssn: ssnOf(from + at), email: `p${String(from + at)}@x.example`, memo: null },
    }));
    for (const one of await people.sealMany(tenant, rows)) {
      const { email, email_eq: emailTag, memo, person_id: id, row_key: key, ssn, ssn_eq: tag, ssn_last4: last } = one;
      await db.client.once(tenant, actor(tenant), INSERT, [id, key, ssn, tag, last, email, emailTag, memo]);
    }
  };
  for (const tenant of tenants) await insert(tenant, 0, 150);
  await keys.rotate(tenants[0] as TenantId, "index", KEY_KEEPER);
  await insert(tenants[0] as TenantId, 150, 50);

  let falseHits = 0;
  for (const tenant of tenants) {
    const total = tenant === tenants[0] ? 200 : 150;
    for (let at = 0; at < 40; at += 1) {
      // Another spelling: what counts is what the normaliser leaves.
      const wanted = ssnOf(at).replaceAll("-", " ");
      const expected = (same: (other: number) => boolean): string[] =>
        Array.from({ length: total }, (_, other) => other)
          .filter(same)
          .map((other) => `p${String(other)}`)
          .toSorted();
      const whole = await people.search(tenant, "ssn_eq", wanted);
      const found = await db.client.once(tenant, actor(tenant), FIND_WHOLE, [whole.parameter]);
      const matched = (await people.matching(tenant, whole, found)).map(({ found: row }) => row.person_id);
      expect(matched.toSorted()).toEqual(expected((other) => ssnOf(other) === ssnOf(at)));
      const last = await people.search(tenant, "ssn_last4", wanted.slice(-4));
      const hits = await db.client.once(tenant, actor(tenant), FIND, [last.parameter]);
      const kept = await people.matching(tenant, last, hits);
      expect(kept.map(({ found: row }) => row.person_id).toSorted()).toEqual(expected((other) => other % 40 === at));
      falseHits += found.length - matched.length + hits.length - kept.length;
    }
  }
  // Cut tags hit others too: if they did not, they would name their value.
  expect(falseHits).toBeGreaterThan(100);
  const nothing = await people.search(tenants[0] as TenantId, "ssn_last4", "no digits");
  expect([nothing.tags, nothing.matches("no digits")]).toEqual([[], false]);
});

test("a builder of queries takes the same tags, and a unique index holds", async () => {
  const people = createFields({ keys }).table(PERSON);
  const tenant = await db.createTenant("unique");
  const values = { ssn: "1", email: "Ann@x.example", memo: "m" };
  const insert = async (row: string, email: string): Promise<void> => {
    const one = await people.seal(tenant, row, { ...values, email });
    const cells = [one.person_id, one.row_key, one.ssn, one.ssn_eq, one.ssn_last4, one.email, one.email_eq, one.memo];
    await db.client.once(tenant, actor(tenant), INSERT, cells);
  };
  await insert("a", "Ann@x.example");
  await expect(insert("b", " ann@X.EXAMPLE")).rejects.toMatchObject({ code: "resource.conflict" });
  const search = await people.search(tenant, "email_eq", "ANN@x.example");
  const query = owner
    .withTables<{ "shop.person": { person_id: string; email_eq: Buffer } }>()
    .selectFrom("shop.person")
    .select("person_id")
    .where("email_eq", "in", [...search.tags])
    .compile();
  expect(await db.owner.query(query.sql, query.parameters)).toEqual([{ person_id: "a" }]);
});

test("plaintext cannot land in any of the columns, and indexes begin with the tenant", async () => {
  const good = await createFields({ keys })
    .table(PERSON)
    .seal(tenants[0] as TenantId, "x", { ssn: "1", email: null, memo: "m" });
  const cells = { person_id: "x", row_key: good.row_key, ssn: good.ssn, ssn_eq: good.ssn_eq, memo: good.memo };
  const insert = (over: object) => {
    const row = { ...cells, ...over };
    return db.owner.query(
      "insert into shop.person (tenant_id, person_id, row_key, ssn, ssn_eq, memo) values ('planted', $1, $2, $3, $4, $5)",
      Object.values(row),
    );
  };
  for (const over of [
    { ssn: Buffer.from("123-45-6789") },
    { row_key: Buffer.alloc(98, 2) },
    { row_key: Buffer.alloc(97) },
    { memo: "plain text that is long enough to look like something sealed" },
    { memo: `rw1.${"A".repeat(43)}` },
    { ssn_eq: Buffer.from("1") },
    { ssn_eq: Buffer.from("a value in clear, no tag") },
  ]) {
    await expect(insert(over), JSON.stringify(over)).rejects.toMatchObject({ code: "23514" });
  }
  await expect(insert({ ssn: null })).rejects.toMatchObject({ code: "23502" });
  await insert({});
  const indexes = await db.owner.query<{ indexdef: string }>(
    "select indexdef from pg_indexes where schemaname = 'shop' order by indexname",
  );
  expect(indexes.map(({ indexdef }) => indexdef.replace(/^.*\((.*)\)$/, "$1"))).toEqual([
    "tenant_id, email_eq",
    "tenant_id, person_id",
    "tenant_id, ssn_eq",
    "tenant_id, ssn_last4",
  ]);
});

test("a table is known again by its comments, and a declaration that drifted is named", async () => {
  const rows = await db.owner.query<{ name: string; comment: string }>(
    `select attname as name, col_description(attrelid, attnum) as comment from pg_attribute
     where attrelid = 'shop.person'::regclass and col_description(attrelid, attnum) is not null`,
  );
  const comments = new Map(rows.map(({ comment, name }) => [name, comment]));
  const known = tableFromComments(PERSON.name, comments);
  expect(known?.indexes.map(({ spec }) => spec)).toEqual(PERSON.indexes.map(({ spec }) => spec));
  expect(known?.columns.map(({ name }) => name)).toEqual(["ssn", "email", "memo"]);
  expect(catalogueProblems(PERSON, comments)).toEqual([]);
  const grown = sealedTable(
    "shop.person",
    { row: "person_id", rows: 1_000_000 },
    sealed("ssn").equality({ normaliser: "digits" }),
  );
  expect(catalogueProblems(grown, comments)).toEqual(["shop.person.ssn_eq is not as its migration left it"]);
  expect(tableFromComments("shop.person", new Map([["ssn", "somebody's comment"]]))).toBeUndefined();
});
