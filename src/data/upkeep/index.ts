/**
 * Layer 4, work on whole tables of sealed fields: moving plaintext into a sealed column, tagging rows anew, measuring.
 *
 * Runs as the role that owns the tables, one tenant and one short transaction at a time, under that tenant's signed
 * context: the wall holds for the owner, too. Keys never reach the database, so the database cannot seal by itself; a
 * trigger keeps an old twin from standing beside a new value instead, and batches seal what it emptied.
 *
 * How far an adoption is stands in the catalogue, changed in the transaction of each step: whatever is interrupted is
 * gone on with by running it again. Every step has a way back. Fails closed: without a comparison that found every twin
 * right, and while one row of any tenant is not sealed, nothing is cut over; nothing is dropped before it is emptied.
 *
 * Does not reach copies of the plaintext elsewhere: backups, replicas that lag, the write-ahead log and other tables keep
 * it as long as they are kept. Limits: columns of type text and varchar, one id of type uuid, text, bigint or integer,
 * 250 rows in a transaction, strong locks for a moment and asked for with a timeout of one second.
 *
 * @module
 */
export {
  type AdoptionGoal,
  type AdoptionProgress,
  type AdoptionState,
  adopt,
  readAdoptionState,
  undoAdoption,
} from "./adopt.ts";
export type { Adoption, AdoptionNote, AdoptionRequest, AdoptionStep } from "./adoption.ts";
export { readTable, type TableFacts } from "./catalogue.ts";
export { type ExportedTable, type ExportFacts, type ExportSink, exportTenant } from "./export.ts";
export { MEASURED_ROWS_MAX, type MeasuredPart, measureTable, type TableLeakage } from "./measure.ts";
export type { Owner } from "./owner.ts";
export { type RegisteredTable, registerSealedTable, registerTags } from "./registered-table.ts";
export { retagTable } from "./retag.ts";
export type { Verified } from "./verify.ts";
