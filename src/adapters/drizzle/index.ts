/**
 * Drizzle over the transactions of `ringwall/data/transactions`.
 *
 * Guards and limits are those: a query outside `run` is refused, `db.transaction()` is a savepoint. An isolation level is
 * given to `run`. Needs the package `drizzle-orm`, which the application brings.
 *
 * @module
 */
export { drizzleClient } from "./drizzle.ts";
