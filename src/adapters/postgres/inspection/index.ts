/**
 * Connections to a PostgreSQL that is examined, not served from: one statement at a time, read-only unless asked.
 *
 * Guards against changing what is looked at, and against a second statement behind the first. Does not bind a tenant.
 *
 * Limits: 60 s a statement, 5 s for a lock; fails with PostgreSQL's own word as `SqlRefusal`, or `database.unavailable`.
 *
 * @module
 */
export { type InspectionOptions, inspectionAccess } from "./session.ts";
export { urlTarget } from "./url.ts";
