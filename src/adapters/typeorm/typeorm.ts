import type { GatedPool, TenantTransactions } from "../../data/transactions/index.ts";

/**
 * What TypeORM asks when it starts, outside of every tenant. To be given to the transactions as `outside`.
 */
export const TYPEORM_OUTSIDE: readonly string[] = [
  "SELECT version()",
  "SELECT * FROM current_database()",
  "SELECT * FROM current_schema()",
];

/** The part of `DataSource`'s options that leads TypeORM to the transactions. */
export interface TypeormOptions {
  readonly driver: { readonly Pool: new () => GatedPool };
  /** They are a migration's. */
  readonly installExtensions: false;
}

/**
 * To be spread into the options of one `DataSource` for the whole application. Schema changes are a migration's, over a
 * connection of its own: leave `synchronize` and `migrationsRun` out.
 * @example new DataSource({ type: "postgres", ...typeormOptions(transactions), entities });
 */
export function typeormOptions({ pool }: TenantTransactions): TypeormOptions {
  const Pool = function Pool(): GatedPool {
    return pool;
  };
  return { driver: { Pool: Pool as unknown as new () => GatedPool }, installExtensions: false };
}
