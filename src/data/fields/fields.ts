import type { Recorder, TenantId } from "../../core/index.ts";
import { type Keys, mintRowKey, type RowKey, type RowPlace, rowKeyVersion, TenantKey } from "../keys/index.ts";
import type { TableShape } from "./ddl.ts";
import { openField, sealField } from "./format.ts";
import { locator, type OpeningAt } from "./refused.ts";
import { RowKeyCache, type StoredRow } from "./row-key-cache.ts";
import { type SealedRows, sealedRows } from "./rows.ts";
import type { Columns } from "./table.ts";

/** Where one sealed column stands, and the bytes found there. */
export interface StoredColumn extends StoredRow {
  readonly column: string;
}

/** Sealed fields. With a warm tenant key every answer comes at once, without a promise. */
export interface Fields {
  /** Makes a row key and seals a new row's values. `row` is an id made before the insert, and never changes. */
  sealRow<Column extends string>(
    tenant: TenantId,
    input: RowPlace & { readonly values: Readonly<Record<Column, string>> },
  ): SealedRow<Column> | Promise<SealedRow<Column>>;

  /** Opens several fields of one row. @throws RingwallError `keys.decrypt_failed` */
  openRow<Column extends string>(
    tenant: TenantId,
    input: StoredRow & { readonly sealed: Readonly<Record<Column, Buffer>> },
  ): Record<Column, string> | Promise<Record<Column, string>>;

  /** Seals one value of a row that exists, under its row key. */
  seal(tenant: TenantId, place: StoredColumn, value: string): Buffer | Promise<Buffer>;

  /** Opens one field. @throws RingwallError `keys.decrypt_failed` */
  open(tenant: TenantId, place: StoredColumn, sealed: Buffer): string | Promise<string>;

  /** Rows of a table whose sealed columns and blind indexes are declared: one at a time, a page, or found by value. */
  table<Row extends string, RowKeyColumn extends string, Of extends Columns>(
    table: TableShape<Row, RowKeyColumn, Of>,
  ): SealedRows<Row, RowKeyColumn, Of>;
}

/** A row's key record and its sealed columns, as they are stored. */
export interface SealedRow<Column extends string> {
  readonly rowKey: Buffer;
  readonly sealed: Record<Column, Buffer>;
}

// Unwrapping a row key costs as much as opening two fields, and a page shows the same rows again. About 1 KiB each.
const ROW_KEYS_MAX = 8_192;

/**
 * Sealed fields over a key tree.
 * @param options.rowKeysMax - How many unwrapped row keys to keep; 0 keeps none.
 * @param options.recorder - Told of every value that could not be opened, as `field.refused`.
 */
export function createFields(options: {
  readonly keys: Keys;
  readonly rowKeysMax?: number;
  readonly recorder?: Recorder;
}): Fields {
  const { keys } = options;
  const rowKeys = new RowKeyCache(options.rowKeysMax ?? ROW_KEYS_MAX, keys);
  const locate = locator(options.recorder);

  /** Runs `use` with the row's key, at once when the tenant key is warm. `at` names the column that is being opened. */
  function withRowKey<Result>(
    tenant: TenantId,
    place: StoredRow,
    at: OpeningAt,
    use: (rowKey: RowKey) => Result,
  ): Result | Promise<Result> {
    return locate.soon(tenant, place, at, (): Result | Promise<Result> => {
      const kek = keys.version(tenant, "data", rowKeyVersion(place.rowKey));
      const run = (loaded: TenantKey): Result => use(rowKeys.open(loaded, place));
      return kek instanceof TenantKey ? run(kek) : kek.then(run);
    });
  }

  return {
    sealRow(tenant, input) {
      const seal = (kek: TenantKey): SealedRow<keyof typeof input.values> => {
        const { rowKey, record } = mintRowKey(kek, input);
        rowKeys.keep(rowKey, input, record);
        const sealed = mapColumns(input.values, (column, value: string) => sealField(rowKey, column, value));
        return { rowKey: record, sealed };
      };
      const kek = keys.current(tenant, "data");
      return kek instanceof TenantKey ? seal(kek) : kek.then(seal);
    },
    openRow(tenant, input) {
      const at = { column: "" };
      return withRowKey(tenant, input, at, (rowKey) =>
        mapColumns(input.sealed, (column, sealed: Buffer) => {
          at.column = column;
          return openField(rowKey, column, sealed);
        }),
      );
    },
    seal: (tenant, place, value) =>
      withRowKey(tenant, place, place, (rowKey) => sealField(rowKey, place.column, value)),
    table: (table) => sealedRows({ keys, rowKeys, locate }, table),
    open: (tenant, place, sealed) =>
      withRowKey(tenant, place, place, (rowKey) => openField(rowKey, place.column, sealed)),
  };
}

function mapColumns<Column extends string, From, To>(
  values: Readonly<Record<Column, From>>,
  convert: (column: Column, value: From) => To,
): Record<Column, To> {
  // A null prototype, since a column's name comes from a schema that others write: "__proto__" is a name like any other.
  const out = Object.create(null) as Record<Column, To>;
  for (const column in values) out[column] = convert(column, values[column]);
  return out;
}
