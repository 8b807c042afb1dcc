import { afterAll, beforeAll, expect, test } from "vitest";
import { tenantId } from "../../core/index.ts";
import { type TestDatabase, testDatabase } from "../../testing/index.ts";
import { testKeys } from "../../testing/keys.ts";
import { createFields, type Fields, rowKeyCheck, sealedCheck } from "./index.ts";

const ALPHA = tenantId("alpha-bank");
let db: TestDatabase;
let fields: Fields;
beforeAll(async () => {
  db = await testDatabase();
  fields = createFields({ keys: (await testKeys()).keys });
  await db.owner.query(`create table customer (
    row text primary key, row_key bytea ${rowKeyCheck("row_key")}, ssn bytea ${sealedCheck("ssn")})`);
});
afterAll(() => db.close());

test("plaintext cannot land in a sealed column, and NULL stays NULL", async () => {
  const insert = (ssn: Buffer | null, rowKey: Buffer | null = null) =>
    db.owner.query("insert into customer values (gen_random_uuid()::text, $1, $2)", [rowKey, ssn]);
  for (const plaintext of ["", "123-45-6789", "x".repeat(64), "\u0001\u0001short"]) {
    await expect(insert(Buffer.from(plaintext))).rejects.toMatchObject({ code: "23514" });
    await expect(insert(null, Buffer.from(plaintext))).rejects.toMatchObject({ code: "23514" });
  }
  await insert(null);
});

test("the database's superuser cannot move a field to another row", async () => {
  for (const row of ["r1", "r2"]) {
    const { rowKey, sealed } = await fields.sealRow(ALPHA, { table: "customer", row, values: { ssn: `of ${row}` } });
    await db.owner.query("insert into customer values ($1, $2, $3)", [row, rowKey, sealed.ssn]);
  }
  const open = async (): Promise<string> => {
    const rows = await db.owner.query<{ row_key: Buffer; ssn: Buffer }>("select * from customer where row = 'r1'");
    const [found] = rows;
    if (found === undefined) throw new Error("the test's row is missing");
    return await fields.open(ALPHA, { table: "customer", row: "r1", column: "ssn", rowKey: found.row_key }, found.ssn);
  };
  expect(await open()).toBe("of r1");
  await db.owner.query("update customer set ssn = (select ssn from customer where row = 'r2') where row = 'r1'");
  await expect(open()).rejects.toMatchObject({ code: "keys.decrypt_failed" });
  await db.owner.query(
    "update customer set row_key = (select row_key from customer where row = 'r2') where row = 'r1'",
  );
  await expect(open()).rejects.toMatchObject({ code: "keys.decrypt_failed" });
});
