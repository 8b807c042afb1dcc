/**
 * PostgreSQL 15 or later as the `Database` and the `Bus` of `core/ports.ts`.
 *
 * Guards: every statement of a tenant runs under that tenant's signed context, which travels as a bind parameter in
 * the same trip and ends with the transaction; an actor works in its own tenant only; beyond this machine there is no
 * connection without TLS, verified certificate and host name; a password is fetched when a connection is made and kept
 * nowhere; what PostgreSQL says about values never reaches a log.
 *
 * Rows: int8 arrives as bigint, numeric and date as text, timestamptz as Date, bytea as Buffer, json parsed.
 *
 * Limits: 2 to 10 connections; 5 s to connect, to get a connection or a lock; 10 s a statement; 15 s idle in a
 * transaction. Fails closed: a lost connection is `database.unavailable` (503, `detail.outcome` is `unknown` when a
 * commit may have happened); the next use connects again.
 *
 * @module
 */
export { type PostgresBus, postgresBus } from "./bus.ts";
export { type ConfiguredPlace, configuredTarget } from "./configured.ts";
export type { Target } from "./connect.ts";
export { type PostgresDatabase, type PostgresOptions, postgresDatabase } from "./database.ts";
export { type InspectionOptions, inspectionAccess, urlTarget } from "./inspection/index.ts";
export { postgresPasswordRotator, scramVerifier } from "./passwords/index.ts";
export type { PoolState } from "./pool.ts";
export { openSql } from "./sql.ts";
