import { DataSource } from "typeorm";
import { describe } from "vitest";
import { tenantTransactions } from "../../data/transactions/index.ts";
import { transactionsContract } from "../../testing/index.ts";
import { TYPEORM_OUTSIDE, typeormOptions } from "./index.ts";

describe("TypeORM under the tenant context", () => {
  transactionsContract(async (options) => {
    const transactions = tenantTransactions({ ...options, outside: TYPEORM_OUTSIDE });
    const source = new DataSource({ type: "postgres", ...typeormOptions(transactions) });
    await source.initialize();
    return {
      transactions,
      send: async (text, values = []) => await source.query<object[]>(text, [...values]),
      transaction: async (work) =>
        await source.transaction(
          async (inner) => await work(async (text, values = []) => await inner.query<object[]>(text, [...values])),
        ),
      end: () => source.destroy(),
    };
  });
});
