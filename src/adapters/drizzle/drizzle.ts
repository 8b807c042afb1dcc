import type { Pool } from "pg";
import type { TenantTransactions } from "../../data/transactions/index.ts";

/**
 * What `drizzle({ client })` of `drizzle-orm/node-postgres` takes, once for the whole application. Only what drizzle uses of
 * a pool is there: `query` and `connect`.
 * @example const db = drizzle({ client: drizzleClient(transactions) });
 */
export function drizzleClient({ pool }: TenantTransactions): Pool {
  return pool as unknown as Pool;
}
