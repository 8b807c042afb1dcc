import { type SQL, sql } from "drizzle-orm";
import { drizzle } from "drizzle-orm/node-postgres";
import { describe } from "vitest";
import { tenantTransactions } from "../../data/transactions/index.ts";
import { transactionsContract } from "../../testing/index.ts";
import { drizzleClient } from "./index.ts";

/** The contract's texts have their parameters in order, each once. */
function withValues(text: string, values: readonly unknown[] = []): SQL {
  const parts = text.split(/\$\d+/);
  return sql.join(
    parts.flatMap((part, index) => (index === 0 ? [sql.raw(part)] : [sql`${values[index - 1]}`, sql.raw(part)])),
  );
}

describe("drizzle under the tenant context", () => {
  transactionsContract(async (options) => {
    const transactions = tenantTransactions(options);
    const db = drizzle({ client: drizzleClient(transactions) });
    return {
      transactions,
      send: async (text, values) => (await db.execute(withValues(text, values))).rows,
      transaction: async (work) =>
        await db.transaction(
          async (inner) => await work(async (text, values) => (await inner.execute(withValues(text, values))).rows),
        ),
    };
  });
});
