/**
 * The host application's own `pg` pool, under the signed tenant context.
 *
 * Guards and limits are those of `ringwall/data/transactions`: nothing outside `run`, one tenant inside. The pool must be
 * for this alone.
 *
 * Fails closed: a pool whose settings a pooler does not take, or that sends ahead of the answers, is refused.
 *
 * @module
 */
export { type NodePostgresOptions, nodePostgres } from "./node-postgres.ts";
