/**
 * Ringwall on PostgreSQL 15 or later: the `Database` and `Bus` ports, and what the migrate process needs.
 *
 * Guards: every statement that reaches a tenant's rows carries that tenant's signed context, bound to the backend and
 * sent as a bind parameter; TLS with verified certificate and host name beyond this machine; errors without the values
 * PostgreSQL quotes. Does not guard what a policy does not: the wall itself is in the migrations.
 *
 * Limits: 10 connections, 5 s to connect or to wait for a connection, 10 s a statement, 5 s a lock. Fails closed:
 * without a connection `database.unavailable` with `Retry-After`; a commit whose answer was lost says so.
 *
 * @module
 */
export { type PostgresBus, postgresBus } from "./bus.ts";
export { openClient, type Target } from "./connect.ts";
export { type PostgresDatabase, type PostgresOptions, postgresDatabase } from "./database.ts";
export { ownerConnection } from "./owner.ts";
export { scramVerifier } from "./scram.ts";
