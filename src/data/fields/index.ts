/**
 * Layer 4, sealed fields: columns that a database administrator or a stolen backup cannot read.
 *
 * Every row has a key of its own, stored in the row as a 98-byte record that the tenant's data key wraps. Each column
 * has a key out of the row key. A sealed field opens only in the tenant, table, column and row it was sealed for: moved
 * anywhere else, changed by a bit, cut or lengthened, it is `keys.decrypt_failed`, and nothing else is ever returned in
 * its place; a value that "does not look sealed" is an error, too.
 *
 * Does not hide that a field exists, how long it is, or that it is NULL; does not stop somebody who can write the
 * database from putting an older sealed value of the same field back. A row's id is made before the insert and never
 * changes; moving a row to another tenant means sealing it anew.
 *
 * Limits: 32 bytes more for each field, 1 MiB of text in one, 256 sealed columns in a row, 8,192 unwrapped row keys
 * kept in the process for as long as their tenant key is (300 seconds).
 *
 * @module
 */
export { type AnyColumn, type EqualityOptions, type IndexOptions, SealedColumn, sealed } from "./column.ts";
export {
  type AnyTable,
  catalogueProblems,
  type DdlPiece,
  readNote,
  sealedTextCheck,
  type TableDdl,
  type TableShape,
  tableDdl,
  tableFromComments,
} from "./ddl.ts";
export { createFields, type Fields, type SealedRow, type StoredColumn } from "./fields.ts";
export { FIELD_BYTES_MAX, FIELD_OVERHEAD_BYTES, rowKeyCheck, sealedCheck } from "./format.ts";
export type { StoredRow } from "./row-key-cache.ts";
export type { FoundRow, NewRow, OpenedRow, SealedRows, Search } from "./rows.ts";
export {
  type Columns,
  type SealedTable,
  type StoredColumns,
  sealedTable,
  type TagColumn,
  type Values,
} from "./table.ts";
export { parseSealedText, sealedText } from "./text-form.ts";
