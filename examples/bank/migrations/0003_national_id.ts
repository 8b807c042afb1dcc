import type { Kysely } from "kysely";
import { type Migration, sealColumns } from "ringwall/migrations";
import { CUSTOMER } from "../schema.ts";

/**
 * Customers can be found by their national id. Records from before have no tag until `ringwall fields retag
 * bank.customer` has run.
 */
export const migration: Migration = {
  name: "0003_national_id",
  async up(db: Kysely<unknown>): Promise<void> {
    await sealColumns(db, CUSTOMER, { columns: ["national_id_eq"] });
  },
};
