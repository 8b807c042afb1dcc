/**
 * Kysely over the transactions of `ringwall/data/transactions`.
 *
 * Guards and limits are those: a query outside `run` is refused, `db.transaction()` is a savepoint. An isolation level is
 * given to `run`, streams are refused.
 *
 * @module
 */
export { tenantKysely } from "./kysely.ts";
