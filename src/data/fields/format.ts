import { assert, encodeTuple } from "../../core/index.ts";
import { BOX_OVERHEAD_BYTES, box, decryptFailed, type RowKey, unbox } from "../keys/index.ts";

/**
 * A sealed field, 32 bytes longer than its value:
 *
 *     0   version    1   always 1
 *     1   suite      1   1 = AES-256-GCM under a column key of the row key
 *     2   type       1   1 = text in UTF-8, 2 = padded text or NULL (`padded.ts`)
 *     3   generation 1   which row key of this row; 1 until a row is re-keyed
 *     4   nonce     12 | ciphertext | tag 16
 *
 * The associated data binds version, type, generation, tenant, table, column and row.
 */
export const FIELD_OVERHEAD_BYTES = 32;
/** Larger than any column of text that is searched or shown; files are the object store's. */
export const FIELD_BYTES_MAX = 1_048_576;
const HEADER = Buffer.from([1, 1, 1, 1]);
const HEADER_NUMBER = HEADER.readUInt32BE(0);

export function sealField(rowKey: RowKey, column: string, value: string): Buffer {
  // Half a surrogate pair has no UTF-8: it would come back as another text.
  assert(value.isWellFormed(), "a sealed text is well-formed");
  const plaintext = Buffer.from(value, "utf8");
  assert(plaintext.length <= FIELD_BYTES_MAX, "a sealed field has at most 1 MiB");
  const { key, associated } = rowKey.column(column, bindField);
  const sealed = box(key, associated, plaintext, HEADER);
  plaintext.fill(0);
  return sealed;
}

/** @throws RingwallError `keys.decrypt_failed` */
export function openField(rowKey: RowKey, column: string, sealed: Buffer): string {
  if (sealed.length < FIELD_OVERHEAD_BYTES || sealed.length > FIELD_BYTES_MAX + FIELD_OVERHEAD_BYTES) {
    throw decryptFailed();
  }
  if (sealed.readUInt32BE(0) !== HEADER_NUMBER) throw decryptFailed();
  const { key, associated } = rowKey.column(column, bindField);
  const plaintext = unbox(key, associated, sealed, HEADER.length);
  const value = plaintext.toString("utf8");
  plaintext.fill(0);
  return value;
}

/** The associated data of a column's fields. The only one there is: a row key keeps the first it is given. */
export function bindField(rowKey: RowKey, column: string): Buffer {
  assert(column !== "", "a sealed field is bound to a column");
  return encodeTuple("rw/field/v1", "text", "1", rowKey.wrappedBy.tenant, rowKey.table, column, rowKey.row);
}

assert(HEADER.length + BOX_OVERHEAD_BYTES === FIELD_OVERHEAD_BYTES, "the header and the box make the overhead");

/** What we take as a column's name in SQL that we write: nothing that would have to be quoted. */
export const COLUMN_NAME = /^[a-z_][a-z0-9_]{0,62}$/;

/**
 * SQL for a column's CHECK, so that plaintext written past Ringwall is refused by the database. For migrations only.
 * NULL stays NULL. @example sql.raw(`iban bytea ${sealedCheck("iban")}`)
 */
export function sealedCheck(column: string): string {
  assert(COLUMN_NAME.test(column), "a column name of a migration");
  // Version and suite only: a type or a generation to come needs no migration.
  const header = `substring(${column} from 1 for 2) = '\\x0101'::bytea`;
  return `check (octet_length(${column}) between ${String(FIELD_OVERHEAD_BYTES)} and ${String(
    FIELD_OVERHEAD_BYTES + FIELD_BYTES_MAX,
  )} and ${header})`;
}

/** SQL for the CHECK of the column that holds the row key's record: one of ours, or the zero bytes an erased row holds. */
export function rowKeyCheck(column: string): string {
  assert(COLUMN_NAME.test(column), "a column name of a migration");
  const erased = `${column} = decode(repeat('00', 98), 'hex')`;
  return `check (octet_length(${column}) = 98 and (substring(${column} from 1 for 2) = '\\x0101'::bytea or ${erased}))`;
}
