/**
 * Layer 4, rotation: keys are replaced when they are due, and what they wrapped is wrapped anew while everybody works.
 *
 * A new version of a tenant's key seals at once; older ones open until nothing refers to them. Row keys are wrapped anew in
 * batches, each in one transaction with its progress; keys are wrapped under a new master one by one, each opened again
 * before the old form is replaced. No field is encrypted again: field keys hang on row keys, which stay the same.
 *
 * Guards against keys that live too long, and against a rotation that loses one: every step is checked by opening what it
 * made, and repeatable. Does not guard against somebody who kept an old key or an old copy of the database together with
 * it; only shredding or sealing anew helps then.
 *
 * Limits: 250 rows or 200 keys at a time, at the pace that the server is told; one node at a time, by a lease of a
 * minute. Rewrapping reaches tables that were registered with `registerSealedTable`, and no others.
 *
 * Fails closed: a record that does not open stays as it is, its version stays in use, and the log names it. A key that
 * is overdue is an audit event and a line in the log, once a day.
 *
 * @module
 */
export { createKeyAdministration, type KeyAdministration, type KeyScope } from "./administration.ts";
export { allJobs, jobProgress, type KeyJob, type KeyProgress, type RotationParts } from "./jobs.ts";
export { openMasterJob, rewrapMasterKeys } from "./master-keys.ts";
export { openRowsJob, rewrapRows } from "./rows.ts";
export { type KeyAge, type KeyAgeMetric, keyAgeMetrics, PERIOD_MS } from "./schedule.ts";
export { createKeyScheduler, type KeyScheduler, type Tick } from "./scheduler.ts";
