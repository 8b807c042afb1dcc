import { CompiledQuery } from "kysely";
import { describe } from "vitest";
import { tenantTransactions } from "../../data/transactions/index.ts";
import { transactionsContract } from "../../testing/index.ts";
import { tenantKysely } from "./index.ts";

describe("kysely under the tenant context", () => {
  transactionsContract(async (options) => {
    const transactions = tenantTransactions(options);
    const db = tenantKysely<unknown>(transactions);
    return {
      transactions,
      send: async (text, values = []) => (await db.executeQuery<object>(CompiledQuery.raw(text, [...values]))).rows,
      transaction: async (work) =>
        await db
          .transaction()
          .execute(
            async (inner) =>
              await work(
                async (text, values = []) =>
                  (await inner.executeQuery<object>(CompiledQuery.raw(text, [...values]))).rows,
              ),
          ),
      end: () => db.destroy(),
    };
  });
});
