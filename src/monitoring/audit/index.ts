/**
 * Layer 5, audit: who did what in which tenant, written with the act itself and provable afterwards.
 *
 * Guards: an event commits in the transaction of its act or the act fails. One sequencer chains each tenant's events by
 * hash, signs how far a chain goes with a key that is not in the database, and copies what it signed to a folder outside.
 * `verifyAudit` recomputes all of it: entries rewritten, removed, exchanged or cut off, by the database's owner too, are
 * named with their position. Personal values (address, user agent, names) are sealed; the chain holds a keyed commitment
 * to them, so that erasing a person leaves the proof whole.
 *
 * Does not guard against: a process that may insert into the outbox and lies about its own acts; an owner who changes an
 * event in the moment before it is chained; whoever holds database, signing key and copies together.
 *
 * Limits: 64 KiB an entry. Noted reads live in memory for a second before they are durable (`record` is durable with its
 * act), at most `notesPerTenantMax` different ones a tenant; beyond that they are counted, and the count is recorded. The
 * outbox is the only queue: while no sequencer runs, acts go on and rows wait there; `Sequencer.status` says so. The
 * sequencer keeps the heads of all tenants in memory, about 200 bytes each, and reads them all when it starts.
 *
 * Fails closed: an event that cannot be written fails its act; notes that could not be made durable for five seconds are
 * refused with `audit.unavailable`; a database that does not continue what was signed stops the sequencer for good.
 *
 * @module
 */
export { type AuditConfig, MonitoringConfig } from "./config.ts";
export { formatHead, HeadVerifier, headSigner, parseHead, type SignedHead, signHead } from "./heads.ts";
export type { DetailSealer, HeadStore } from "./ports.ts";
export {
  type AuditReader,
  type AuditRecord,
  type ChainStretch,
  createAuditReader,
  READ_LIMIT_MAX,
  type ReadOptions,
} from "./read.ts";
export { type AuditRecorder, createRecorder, type RecorderOptions } from "./recorder.ts";
export { createSequencer, type Sequencer, type SequencerOptions, type SequencerStatus } from "./sequencer.ts";
export { type AuditSource, tenantSource, workerSource } from "./source.ts";
export { type ChainReport, type Problem, type ProblemKind, verifyChain } from "./verify.ts";
export { type AuditReport, type TenantReport, type VerifyOptions, verifyAudit } from "./verify-log.ts";
