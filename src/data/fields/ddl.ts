import { z } from "zod";
import { assert } from "../../core/index.ts";
import { NORMALISER_NAMES, TAG_HEADER_BYTES, tagBytes } from "../indexes/index.ts";
import { type AnyColumn, type ColumnDefinition, SealedColumn } from "./column.ts";
import { COLUMN_NAME, rowKeyCheck, sealedCheck } from "./format.ts";
import type { Columns, SealedTable, TableIndex } from "./table.ts";
import { TEXT_CHARACTERS_MAX, TEXT_CHARACTERS_MIN } from "./text-form.ts";

/** What is known of a table without the plan its indexes came from: a declaration, or what the catalogue remembers. */
export type TableShape<Row extends string, RowKeyColumn extends string, Of extends Columns> = Omit<
  SealedTable<Row, RowKeyColumn, Of>,
  "plan"
>;
/** The shape of some table. */
export type AnyTable = TableShape<string, string, Columns>;

/** A piece of a migration: the column or index it makes, and its SQL. */
export interface DdlPiece {
  readonly name: string;
  readonly text: string;
}

/** What a migration needs of a table. All of it is made of checked names, and nothing of a request. */
export interface TableDdl {
  /** For `create table (…)` or `alter table … add column …`. */
  readonly columns: readonly DdlPiece[];
  /** Complete statements, by the column of the tag; tenant first. */
  readonly indexes: readonly DdlPiece[];
  /** Comments, by column, by which commands know the table again. */
  readonly comments: readonly DdlPiece[];
}

const PREFIX = "ringwall/1 ";
const RowNote = z.object({ row: z.string().regex(COLUMN_NAME) });
const SealedNote = z.object({
  sealed: z.object({
    nullable: z.boolean(),
    hidesNull: z.boolean(),
    padded: z.int().nullable(),
    stored: z.enum(["bytea", "text"]),
  }),
});
const IndexNote = z.object({
  index: z.enum(["eq", "last4", "domain"]),
  of: z.string(),
  normaliser: z.enum(NORMALISER_NAMES as readonly [(typeof NORMALISER_NAMES)[number], ...typeof NORMALISER_NAMES]),
  bits: z.int(),
  partitions: z.int(),
  version: z.int(),
  unique: z.boolean(),
});

/** The DDL of a declared table: columns with the CHECKs that keep plaintext out, tag columns, indexes, comments. */
export function tableDdl(table: AnyTable): TableDdl {
  const bare = table.name.slice(table.name.indexOf(".") + 1);
  const columns = [
    { name: table.rowKey, text: `${table.rowKey} bytea not null ${rowKeyCheck(table.rowKey)}` },
    ...table.columns.map((column) => ({ name: column.name, text: columnText(column) })),
    ...table.indexes.map(({ declared: { column } }) => ({ name: column, text: `${column} bytea ${tagCheck(column)}` })),
  ];
  const indexes = table.indexes.map(({ declared: { column, unique } }) => {
    // PostgreSQL cuts names at 63 bytes; two that are cut to one would be an error, not a wrong index.
    const name = `${bare}_${column}`.slice(-63);
    return {
      name: column,
      text: `create ${unique === true ? "unique " : ""}index ${name} on ${table.name} (tenant_id, ${column})`,
    };
  });
  const note = (name: string, facts: object): DdlPiece => ({ name, text: `${PREFIX}${JSON.stringify(facts)}` });
  return {
    columns,
    indexes,
    comments: [
      note(table.rowKey, { row: table.row }),
      ...table.columns.map(({ name, definition }) => note(name, sealedNote(definition))),
      ...table.indexes.map((index) => note(index.declared.column, indexNote(index))),
    ],
  };
}

function columnText({ name, definition: { nullable, stored } }: AnyColumn): string {
  const check = stored === "text" ? sealedTextCheck(name) : sealedCheck(name);
  return `${name} ${stored}${nullable ? "" : " not null"} ${check}`;
}

/** SQL for the CHECK of a column that holds the text form. The first bytes are version and suite. */
export function sealedTextCheck(column: string): string {
  assert(COLUMN_NAME.test(column), "a column name of a migration");
  const length = `octet_length(${column}) between ${String(TEXT_CHARACTERS_MIN)} and ${String(TEXT_CHARACTERS_MAX)}`;
  return `check (${length} and ${column} ~ '^rw1[.]AQ[E-H][A-Za-z0-9_-]+$')`;
}

function tagCheck(column: string): string {
  const most = TAG_HEADER_BYTES + tagBytes(128);
  return `check (octet_length(${column}) between ${String(TAG_HEADER_BYTES + 1)} and ${String(most)})`;
}

function sealedNote({ hidesNull, nullable, paddedBytes, stored }: ColumnDefinition): z.input<typeof SealedNote> {
  return { sealed: { nullable, hidesNull, padded: paddedBytes ?? null, stored } };
}

function indexNote({ declared, spec }: TableIndex): z.input<typeof IndexNote> {
  const { bits, column, normaliser, partitions, version } = spec;
  return { index: declared.kind, of: column, normaliser, bits, partitions, version, unique: declared.unique === true };
}

/**
 * Knows a table again by its comments, as the migration left them.
 * @param comments - Comment by column, of one table.
 * @returns Undefined when no column is sealed.
 */
export function tableFromComments(name: string, comments: ReadonlyMap<string, string>): AnyTable | undefined {
  const columns: AnyColumn[] = [];
  const indexes: TableIndex[] = [];
  let key: { readonly row: string; readonly rowKey: string } | undefined;
  for (const [column, comment] of comments) {
    const note = readNote(comment);
    const row = RowNote.safeParse(note);
    const sealed = SealedNote.safeParse(note);
    const index = IndexNote.safeParse(note);
    if (row.success) key = { row: row.data.row, rowKey: column };
    if (sealed.success) {
      const { hidesNull, nullable, padded, stored } = sealed.data.sealed;
      columns.push(
        new SealedColumn(column, { hidesNull, nullable, paddedBytes: padded ?? undefined, stored, indexes: [] }),
      );
    }
    if (index.success) {
      const { index: kind, of, normaliser, bits, partitions, version, unique } = index.data;
      const spec = { table: name, column: of, index: kind, normaliser, bits, partitions, version };
      indexes.push({ declared: { kind, column, normaliser, unique }, spec, previous: undefined });
    }
  }
  return key === undefined || columns.length === 0 ? undefined : { name, ...key, columns, indexes };
}

/** What a comment of ours says, whatever version of it; undefined for a comment of somebody else. */
export function readNote(comment: string): unknown {
  if (!comment.startsWith(PREFIX)) return undefined;
  try {
    return JSON.parse(comment.slice(PREFIX.length)) as unknown;
  } catch {
    return undefined;
  }
}

/** Where the declaration and the catalogue differ: a search by another cut would find nothing, and say nothing. */
export function catalogueProblems(table: AnyTable, comments: ReadonlyMap<string, string>): readonly string[] {
  return tableDdl(table)
    .comments.filter(({ name, text }) => comments.get(name) !== text)
    .map(({ name }) => `${table.name}.${name} is not as its migration left it`);
}
