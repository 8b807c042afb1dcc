import type { Pool } from "pg";
import { RingwallError } from "../../core/index.ts";
import {
  type TenantTransactions,
  type TransactionsOptions,
  tenantTransactions,
} from "../../data/transactions/index.ts";

/** The application's own pool. */
export interface NodePostgresOptions extends Omit<TransactionsOptions, "pool"> {
  readonly pool: Pool;
}

/** @throws RingwallError `config.invalid` for a pool that cannot serve. */
export function nodePostgres(options: NodePostgresOptions): TenantTransactions {
  const settings: object = options.pool.options;
  if (options.pooler !== undefined && "options" in settings && settings.options !== undefined) {
    throw invalid("a pooler takes no `options` at the start of a connection; set them for the role in the database");
  }
  if ("pipeline" in settings && settings.pipeline === true) {
    throw invalid("the pool must not send ahead of the answers; leave `pipeline` out");
  }
  return tenantTransactions(options);
}

function invalid(message: string): RingwallError {
  return new RingwallError("config.invalid", { message });
}
