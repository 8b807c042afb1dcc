/**
 * PostgreSQL as a child process: the default database, which needs nothing but an npm package.
 *
 * Guards: listens on a unix socket in a private folder and nowhere else; asks for a SCRAM password even there; runs as
 * an unprivileged account when Ringwall runs as root; writes neither statements nor values to its log; keeps fsync on.
 * Does not guard against whoever can read the data folder as its owner: that is the operating system's work.
 *
 * After `kill -9` the next start finds the orphan of the same data folder, shuts it down and starts anew. A second start
 * on a folder that is in use is refused, as is a folder of another major version or one that cannot be entered; each
 * refusal is `config.invalid` with the reason and the way out.
 *
 * Limits: 60 s to become ready (crash recovery included), 30 s for a shutdown before it is made immediate. Linux and macOS.
 *
 * @module
 */
export { type Account, chooseAccount } from "./account.ts";
export { superuserOf } from "./initialise.ts";
export { stopAbandoned } from "./process.ts";
export { type EmbeddedPostgres, type EmbeddedPostgresOptions, startEmbeddedPostgres } from "./server.ts";
export { spaceMissing } from "./space.ts";
