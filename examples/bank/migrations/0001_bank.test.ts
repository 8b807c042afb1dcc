import { openSql } from "ringwall/adapters/postgres";
import { statement, tenantId } from "ringwall/core";
import { MIGRATIONS, migrate } from "ringwall/migrations";
import { testDatabase } from "ringwall/testing";
import { expect, test } from "vitest";
import { LIST_ACCOUNTS } from "../schema.ts";
import { migration } from "./0001_bank.ts";

const NORTH = tenantId("northbank");
const SOUTH = tenantId("southbank");
const ID = "0198c1a0-0000-7000-8000-000000000001";
const ADD = statement(
  "test.add_customer",
  "insert into bank.customer (customer_id, user_id, name, national_id, row_key) values ($1, $1, 'N', $2, $3)",
);
const ADD_ACCOUNT = statement(
  "test.add_account",
  "insert into bank.account (account_id, customer_id, owner_id, number, row_key, balance, currency) values ($1, $1, $1, $2, $3, 5, 'EUR')",
);

test("the bank's tables are walled, sealed columns take no plaintext, and a bank sees its own accounts alone", async () => {
  const at = await testDatabase();
  const owner = openSql(at.target("ringwall_migrate"));
  await migrate(owner, MIGRATIONS, [{ application: "bank", migrations: [migration] }]);
  await owner.destroy();
  const open = await at.owner.query(
    "select relname from pg_class where relnamespace = 'bank'::regnamespace and relkind = 'r' and not (relrowsecurity and relforcerowsecurity)",
  );
  expect(open).toEqual([]);

  const north = { type: "service", tenant: NORTH, name: "bank" } as const;
  const south = { type: "service", tenant: SOUTH, name: "bank" } as const;
  const sealed = Buffer.alloc(40, 1);
  const rowKey = Buffer.alloc(98, 1);
  await expect(at.client.once(NORTH, north, ADD, [ID, Buffer.from("123-45-6789"), rowKey])).rejects.toMatchObject({
    code: "request.invalid",
  });
  await at.client.once(NORTH, north, ADD, [ID, sealed, rowKey]);
  await at.client.once(NORTH, north, ADD_ACCOUNT, [ID, sealed, rowKey]);
  expect(await at.client.once(NORTH, north, LIST_ACCOUNTS, [null, null, 10])).toHaveLength(1);
  expect(await at.client.once(SOUTH, south, LIST_ACCOUNTS, [null, null, 10])).toEqual([]);
  await at.close();
});
