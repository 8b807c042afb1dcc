import type { Kysely } from "kysely";
import { type Migration, registerSealedTable } from "ringwall/migrations";

/** Where the bank keeps sealed rows: Ringwall wraps their keys anew when the tenant's key was rotated, and erases them. */
export const migration: Migration = {
  name: "0002_sealed_tables",
  async up(db: Kysely<unknown>): Promise<void> {
    await registerSealedTable(db, {
      table: "bank.customer",
      row: "customer_id",
      rowKey: "row_key",
      person: "user_id",
    });
    await registerSealedTable(db, { table: "bank.account", row: "account_id", rowKey: "row_key", person: "owner_id" });
  },
};
