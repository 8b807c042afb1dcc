/**
 * Servers that tests start themselves from Debian's packages: a PostgreSQL of the lowest supported version, and
 * PgBouncer in transaction mode. On free ports of loopback, in temporary folders, as an unprivileged account under root,
 * gone at the end; what a killed run left behind is cleared up by the next.
 *
 * Nothing shipped imports this.
 *
 * @module
 */
export {
  DEBIAN_VERSION,
  type DebianPostgres,
  type DebianPostgresOptions,
  debianPostgresMissing,
  startDebianPostgres,
} from "./debian-postgres.ts";
export { type PgBouncerOptions, pgbouncerMissing, startPgBouncer, type TestPgBouncer } from "./pgbouncer.ts";
export { prepareTemplate, TEMPLATE, type TestServer, testContextKey, testPasswords } from "./template.ts";
