/**
 * Layer 4, erasure: a tenant, a row or a person is made unreadable for good, by destroying keys instead of data.
 *
 * An order is signed and put into a ledger outside the database before anything happens; then the keys are destroyed in one
 * transaction with the audit record, every process forgets what it holds, and a certificate says what was destroyed. The
 * ledger is carried out again at every start and after a restore, so a restored database stays erased.
 *
 * Guards against backups, replicas and copies of the database: what a destroyed key sealed opens nowhere. Does not erase
 * what was stored in clear, and not what somebody copied out while they could read it. Backups of keys and the ledger
 * must be kept apart from backups of data: whoever restores an old wrapped key together with its master, and leaves the
 * ledger out, reads again.
 *
 * Limits: 500 characters of reason; one order is one tenant, row or person. A process that is cut off from the bus reads
 * keys anew for every use, so an erasure holds there at once.
 *
 * Fails closed: no ledger, no erasure; a line of the ledger that nobody trusted has signed is not followed and said; an
 * erasure that was ordered and cut off is finished by the next start.
 *
 * @module
 */
export {
  type ErasureCertificate,
  type ErasureOrder,
  type ErasureSigner,
  erasureSigner,
  REASON_CHARS_MAX,
  readStatement,
} from "./certificate.ts";
export {
  createErasures,
  type Erasure,
  type ErasureLedger,
  type ErasureParts,
  type ErasureRequest,
  type Erasures,
  type Replay,
} from "./erasures.ts";
