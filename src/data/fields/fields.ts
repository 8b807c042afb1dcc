import { LRUCache } from "lru-cache";
import { type AuditEvent, type Recorder, RingwallError, type SystemActor, type TenantId } from "../../core/index.ts";
import {
  decryptFailed,
  type Keys,
  mintRowKey,
  openRowKey,
  ROW_KEY_BYTES,
  type RowKey,
  type RowPlace,
  rowKeyVersion,
  TenantKey,
} from "../keys/index.ts";
import { openField, sealField } from "./format.ts";

/** What is needed to open fields of one row: the place and the row key's record. */
export interface StoredRow extends RowPlace {
  readonly rowKey: Buffer;
}

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
}

/** A row's key record and its sealed columns, as they are stored. */
export interface SealedRow<Column extends string> {
  readonly rowKey: Buffer;
  readonly sealed: Record<Column, Buffer>;
}

// Unwrapping a row key costs as much as opening two fields, and a page shows the same rows again. About 1 KiB each.
const ROW_KEYS_MAX = 8_192;

// The version of the wrapping key in a record: see row-key.ts of the keys.
const KEY_VERSION_AT = 2;
// A table, a column or a UUID is shorter; an entry of the audit holds no more of a longer one.
const NAME_CHARS_MAX = 64;
const OPENER: SystemActor = { type: "system", capability: "fields.open" };

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
  const rowKeys = new RowKeyCache(options.rowKeysMax ?? ROW_KEYS_MAX);

  /**
   * Every failure to open ends here, whatever it was: one error that names the place and not the reason, and one
   * note for the audit. What is not a failure to open goes on as it is.
   */
  function refuse(error: unknown, tenant: TenantId, place: StoredRow, { column }: ColumnName): never {
    if (!(error instanceof RingwallError) || error.code !== "keys.decrypt_failed") throw error;
    const found = refusal(tenant, place, column);
    options.recorder?.note(auditEvent(found));
    throw decryptFailed({ ...found });
  }

  /** Runs `use` with the row's key, at once when the tenant key is warm. `at` names the column that is being opened. */
  function withRowKey<Result>(
    tenant: TenantId,
    place: StoredRow,
    at: ColumnName,
    use: (rowKey: RowKey) => Result,
  ): Result | Promise<Result> {
    try {
      const kek = keys.version(tenant, "data", rowKeyVersion(place.rowKey));
      if (kek instanceof TenantKey) return use(rowKeys.open(kek, place));
      return kek
        .then((loaded) => use(rowKeys.open(loaded, place)))
        .catch((error: unknown) => refuse(error, tenant, place, at));
    } catch (error) {
      return refuse(error, tenant, place, at);
    }
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
    open: (tenant, place, sealed) =>
      withRowKey(tenant, place, place, (rowKey) => openField(rowKey, place.column, sealed)),
  };
}

/** Unwrapped row keys, bound to the tenant key that unwrapped them: when that one is forgotten or replaced, so are they. */
class RowKeyCache {
  readonly #kept: LRUCache<string, RowKey> | undefined;

  constructor(max: number) {
    this.#kept = max > 0 ? new LRUCache({ max }) : undefined;
  }

  open(kek: TenantKey, place: StoredRow): RowKey {
    const name = cacheName(kek, place, place.rowKey);
    const known = this.#kept?.get(name);
    if (known !== undefined && known.wrappedBy === kek) return known;
    const opened = openRowKey(kek, place, place.rowKey);
    this.#kept?.set(name, opened);
    return opened;
  }

  keep(rowKey: RowKey, place: RowPlace, record: Buffer): void {
    this.#kept?.set(cacheName(rowKey.wrappedBy, place, record), rowKey);
  }
}

/**
 * Tenant first, then the whole record, so that a changed byte is never a hit. The tenant and the record have no
 * freedom of length, and the table's length is written out: no two places give the same text.
 */
function cacheName(kek: TenantKey, place: RowPlace, record: Buffer): string {
  return `${kek.tenant}/${record.toString("latin1")}${String(place.table.length)}/${place.table}${place.row}`;
}

interface ColumnName {
  readonly column: string;
}

/** Where opening failed, for the log and the audit: which tenant, row and column, and never the reason. */
interface RefusedPlace extends RowPlace {
  readonly tenant: TenantId;
  readonly column: string;
  /** The version of the tenant's key that the record names; 0 when it is no record. */
  readonly keyVersion: number;
}

function refusal(tenant: TenantId, place: StoredRow, column: string): RefusedPlace {
  const keyVersion = place.rowKey.length === ROW_KEY_BYTES ? place.rowKey.readUInt32BE(KEY_VERSION_AT) : 0;
  return { tenant, table: place.table, row: place.row, column, keyVersion };
}

function auditEvent({ tenant, table, row, column, keyVersion }: RefusedPlace): AuditEvent {
  return {
    action: "field.refused",
    outcome: "error",
    tenant,
    actor: OPENER,
    targets: [{ type: short(table), id: short(row) }],
    facts: { column: short(column), keyVersion },
  };
}

/** Names that a caller may have from outside: what an entry holds of them is bounded. */
function short(name: string): string {
  return name.slice(0, NAME_CHARS_MAX).toWellFormed();
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
