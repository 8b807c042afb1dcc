import { assert } from "../../core/index.ts";
import { checkIndex, type IndexPlan, type IndexSpec, planIndexes } from "../indexes/index.ts";
import type { AnyColumn, DeclaredIndex } from "./column.ts";
import { COLUMN_NAME } from "./format.ts";

/** The declared columns of a table. */
export type Columns = readonly AnyColumn[];

type TypesOf<Column extends AnyColumn> = NonNullable<Column["types"]>;
type Value<Column extends AnyColumn> = TypesOf<Column>["value"];
type NullOf<Column extends AnyColumn> = Extract<Value<Column>, null>;

/** What is sealed of a row: each column's value by its name. */
export type Values<Of extends Columns> = { readonly [Column in Of[number] as Column["name"]]: Value<Column> };

/** What is written to the database: sealed columns and tags. A tag is NULL where there is nothing to look for. */
export type StoredColumns<Of extends Columns> = {
  readonly [Column in Of[number] as Column["name"]]: TypesOf<Column>["stored"] | NullOf<Column>;
} & { readonly [Column in Of[number] as TypesOf<Column>["tags"]]: Buffer | null };

/** The names of all index columns of a table. */
export type TagColumn<Of extends Columns> = TypesOf<Of[number]>["tags"];

/** A blind index of a table, planned. */
export interface TableIndex {
  readonly declared: DeclaredIndex;
  readonly spec: IndexSpec;
  /** The version before, while rows are tagged anew. */
  readonly previous: IndexSpec | undefined;
}

/** A table with sealed columns, declared once and used by migrations, writes and searches alike. */
export interface SealedTable<Row extends string, RowKeyColumn extends string, Of extends Columns> {
  /** With its schema: `bank.customer`. Every sealed value is bound to this name. */
  readonly name: string;
  /** The column of the row's id, which is made before the insert and never changes. */
  readonly row: Row;
  /** The column of the row key's record. */
  readonly rowKey: RowKeyColumn;
  readonly columns: Of;
  readonly indexes: readonly TableIndex[];
  readonly plan: IndexPlan;
}

const TABLE_NAME = /^[a-z_][a-z0-9_]{0,62}\.[a-z_][a-z0-9_]{0,62}$/;

/**
 * Declares a table's sealed columns, and plans its blind indexes together.
 *
 * @param options.rows - Expected rows of one tenant. Tags are cut by it: a later change of the number is a new version of
 * every index whose length it changes, and `ringwall fields retag` brings the rows there.
 * @throws RingwallError `config.invalid` when the indexes would name single rows.
 * @example
 * const CUSTOMER = sealedTable("shop.customer", { row: "customer_id", rows: 50_000 },
 *   sealed("ssn").equality({ normaliser: "digits" }).lastFour(), sealed("note").nullable().padded());
 */
export function sealedTable<const Of extends Columns, Row extends string, RowKeyColumn extends string = "row_key">(
  name: string,
  options: { readonly row: Row; readonly rows?: number; readonly rowKey?: RowKeyColumn },
  ...columns: Of
): SealedTable<Row, RowKeyColumn, Of> {
  // The default is the type parameter's own.
  const { row, rows = 0, rowKey = "row_key" as RowKeyColumn } = options;
  assert(TABLE_NAME.test(name), "a sealed table is named with its schema");
  assert(COLUMN_NAME.test(row) && COLUMN_NAME.test(rowKey), "a table's columns have plain names");
  const declared = columns.flatMap((column) => column.definition.indexes.map((index) => ({ column, index })));
  const used = [row, rowKey, ...columns.map((column) => column.name), ...declared.map(({ index }) => index.column)];
  assert(new Set(used).size === used.length, "no two columns of a table have one name");
  assert(declared.length === 0 || rows > 0, "a table with blind indexes says how many rows it expects");
  const plan = planIndexes(
    Math.max(rows, 1),
    declared.map(({ index: { column, valueBits, bits, unique } }) => ({
      name: column,
      ...(valueBits === undefined ? {} : { valueBits }),
      ...(bits === undefined ? {} : { bits }),
      ...(unique === undefined ? {} : { unique }),
    })),
  );
  const indexes = declared.map(({ column, index }, place): TableIndex => {
    const { version = 1, previous: before, partitions = 1, kind, normaliser } = index;
    const bits = plan.indexes[place]?.bits ?? 0;
    const spec = { table: name, column: column.name, index: kind, normaliser, bits, partitions, version };
    checkIndex(spec);
    const previous = before === undefined ? undefined : { ...spec, ...before };
    if (previous !== undefined) checkIndex(previous);
    assert(previous === undefined || previous.version < version, "the previous version is a lower one");
    return { declared: index, spec, previous };
  });
  return { name, row, rowKey, columns, indexes, plan };
}
