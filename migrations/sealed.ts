import { type Kysely, sql } from "kysely";
import { assert } from "../src/core/index.ts";
import { type AnyTable, tableDdl } from "../src/data/fields/index.ts";
import { registerSealedTable, registerTags } from "../src/data/upkeep/index.ts";

/** What of a declared table is added, and whose its rows are. */
export interface SealOptions {
  /**
   * Only these of the declaration; all of them unless given. A column that is NOT NULL can be added to an empty table
   * only: what holds plaintext already is moved by `ringwall fields adopt`.
   */
  readonly columns?: readonly string[];
  /** The column that names the user whose data the row holds, when it is one person's: such rows can be erased with them. */
  readonly person?: string;
}

/**
 * Adds a declared table's row key, sealed columns and tags to a table that is there, each with the CHECK that keeps
 * plaintext out; then its indexes, tenant first, and the comments by which commands know the whole table again. With the
 * row key's column the table is registered, so that its row keys are wrapped anew and erased.
 *
 * @example await sealColumns(db, CUSTOMER);
 */
export async function sealColumns(
  db: Kysely<unknown>,
  table: AnyTable,
  { columns, person }: SealOptions = {},
): Promise<void> {
  const ddl = tableDdl(table);
  const known = new Set(ddl.columns.map(({ name }) => name));
  assert(columns?.every((name) => known.has(name)) !== false, "only declared columns are added");
  const isWanted = ({ name }: { readonly name: string }): boolean => columns?.includes(name) !== false;
  for (const { text } of ddl.columns.filter(isWanted)) {
    // tidy-allow(sql): pieces of a declaration whose names were checked; no quoting function takes a column with its CHECK.
    await sql`alter table ${sql.table(table.name)} add column ${sql.raw(text)}`.execute(db);
  }
  if (isWanted({ name: table.rowKey })) {
    const whose = person === undefined ? {} : { person };
    await registerSealedTable(db, { table: table.name, row: table.row, rowKey: table.rowKey, ...whose });
  }
  const tags = table.indexes.map(({ declared }) => declared.column).filter((name) => isWanted({ name }));
  await registerTags(db, table.name, tags);
  for (const { text } of ddl.indexes.filter(isWanted)) {
    // tidy-allow(sql): the whole statement is a piece of the declaration, whose names were checked.
    await sql.raw(text).execute(db);
  }
  // Of the others, too: columns that were made by hand are known by their comments from now on.
  for (const { name, text } of ddl.comments) {
    await sql`comment on column ${sql.ref(`${table.name}.${name}`)} is ${sql.lit(text)}`.execute(db);
  }
}
