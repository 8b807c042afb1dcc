/**
 * Layer 4, transactions: a host application keeps its own driver and works under the signed tenant context.
 *
 * Guards: outside `run` no connection is handed out. Inside, the connection is in a transaction whose context is signed for
 * one tenant, this backend and 20 seconds, and PostgreSQL verifies it in every policy; it stays the one in which the
 * transaction runs, because statements go in the extended protocol, one for each text. Before the commit the connection
 * is asked what is left in it; with anything left, or in doubt, it does not commit and is closed. Handles end with their
 * run, and belong to it alone.
 *
 * Does not guard against whoever holds the signer or another way to the database. The look at a statement's first words
 * catches mistakes and says what to do; it is no wall: that is the database's, and needs the policies of `wall()` on
 * every table and a login without rights of its own. A pool that others use too may carry over what they left.
 *
 * Limits: a transaction inside is a savepoint; one statement at a time; texts of 4 MiB; no cursors, no `LISTEN`, no `COPY`.
 * A run inside a run takes a second connection. Needs `pg` 8.12 or later. Four trips to the server beside
 * the statements: `BEGIN`, the context, the closing look, the commit.
 *
 * Fails closed: no run is an error, and so is a login that bypasses the walls, a pooler that was not declared, and a
 * connection that is not as it was.
 *
 * @module
 */
export type { DriverClient, DriverPool, DriverQuery, DriverResult } from "./driver.ts";
export type { ConnectCallback, GatedClient, GatedPool } from "./gate.ts";
export type { BoundClient, TenantConnection } from "./handle.ts";
export { callsWhatStays } from "./text.ts";
export {
  type RunOptions,
  type TenantTransactions,
  type TransactionsOptions,
  tenantTransactions,
} from "./transactions.ts";
