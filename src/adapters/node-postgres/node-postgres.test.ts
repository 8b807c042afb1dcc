import { describe } from "vitest";
import { type Send, transactionsContract } from "../../testing/index.ts";
import { nodePostgres } from "./index.ts";

describe("pg under the tenant context", () => {
  transactionsContract(async (options) => {
    const transactions = nodePostgres(options);
    const { pool } = transactions;
    const send: Send = async (text, values) => (await pool.query<object>(text, values)).rows;
    return {
      transactions,
      send,
      // As an application does that had a pool before.
      async transaction(work) {
        const client = await pool.connect();
        await client.query("begin");
        try {
          const result = await work(async (text, values) => (await client.query<object>(text, values)).rows);
          await client.query("commit");
          return result;
        } catch (error) {
          await client.query("rollback");
          throw error;
        } finally {
          client.release();
        }
      },
    };
  });
});
