/**
 * `ringwall attack`: replays the founding document's mistakes over HTTP against a running development system, and says
 * of each whether it was stopped, by what, and whether that was the layer that ought to.
 *
 * Guards against a product that only looks safe: each attack has a benign twin that differs in one thing and must be
 * let through, so that a server which refuses everything passes nothing. Does not look for the unknown: it is no
 * scanner, and a row that is stopped proves that flaw absent and no other.
 *
 * Limits: acts only on tenants of its own, which it suspends at the end, and comes from loopback addresses of its own,
 * so that nobody else's rate limits are used up (Linux only: elsewhere loopback has one address). Refuses whatever is
 * not a development system. An error of the system or of this program is an error, never a success of the defence.
 *
 * @module
 */
export { attacks } from "./attacks/index.ts";
export { FLAWS } from "./flaws.ts";
export { openStage } from "./open-stage.ts";
export { playAll, type Row } from "./run.ts";
export type { Stage } from "./stage.ts";
export { findTarget } from "./target.ts";
