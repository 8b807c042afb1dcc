import { Kysely, type KyselyPlugin, PostgresDialect, type PostgresPoolClient } from "kysely";
import type { TenantTransactions } from "../../data/transactions/index.ts";

/**
 * One for the whole application. Its queries run in whichever `run` is around them.
 * @throws whatever `run` and its handles throw, from each query.
 */
export function tenantKysely<Tables>(transactions: TenantTransactions, plugins: KyselyPlugin[] = []): Kysely<Tables> {
  const { pool } = transactions;
  const dialect = new PostgresDialect({
    pool: {
      options: {},
      // A client without cursors: a stream is refused when it is asked for.
      connect: async () => (await pool.connect()) as unknown as PostgresPoolClient,
      end: async () => {
        await pool.end();
      },
    },
  });
  return new Kysely<Tables>({ dialect, plugins });
}
