import { assert, RingwallError, type TenantId } from "../../core/index.ts";
import { type IndexSpec, normalise, randomTag, tagOf, tagsFor } from "../indexes/index.ts";
import { decryptFailed, type Keys, mintRowKey, type RowKey, rowKeyVersion, TenantKey } from "../keys/index.ts";
import type { ColumnDefinition } from "./column.ts";
import type { TableShape } from "./ddl.ts";
import { sealField } from "./format.ts";
import { openAnyField, sealPadded } from "./padded.ts";
import type { Locator, OpeningAt } from "./refused.ts";
import type { RowKeyCache, StoredRow } from "./row-key-cache.ts";
import type { Columns, StoredColumns, TableIndex, TagColumn, Values } from "./table.ts";
import { parseSealedText, sealedText } from "./text-form.ts";

/** A new row's sealed columns, tags and row key, ready to be inserted beside its other columns. */
export type NewRow<Row extends string, RowKeyColumn extends string, Of extends Columns> = StoredColumns<Of> & {
  readonly [Column in Row]: string;
} & { readonly [Column in RowKeyColumn]: Buffer };

/** A row as it was read: its id, its key, and those of its sealed columns that were selected. */
export type FoundRow<Row extends string, RowKeyColumn extends string> = string extends Row
  ? Readonly<Record<string, unknown>>
  : { readonly [Column in Row]: string } & { readonly [Column in RowKeyColumn]: Buffer };

/** Index columns of a table, those whose values were given. */
export type Tags<Of extends Columns> = { readonly [Column in TagColumn<Of>]?: Buffer | null };

/** The values of those sealed columns that a found row has. */
export type OpenedRow<Of extends Columns, Found> = Pick<Values<Of>, keyof Values<Of> & keyof Found>;

/** A search for equality: the tags to ask the database for, and the check that every hit has to pass. */
export interface Search {
  /** The column of the tags. */
  readonly column: string;
  /** For builders: `where(search.column, "in", search.tags)`. Empty when nothing can be found. */
  readonly tags: readonly Buffer[];
  /** For statements: `where ssn_eq = any($1::bytea[])`. */
  readonly parameter: readonly string[];
  /** The column whose value has to be opened and checked. */
  readonly of: string;
  /** Whether a value is what was asked for. Tags are cut short and hit others, too. */
  matches(value: string | null): boolean;
}

/** Sealing, opening and finding rows of one table. With warm keys every answer comes at once. */
export interface SealedRows<Row extends string, RowKeyColumn extends string, Of extends Columns> {
  /** Makes a row key, seals every declared column and makes its tags. */
  seal(
    tenant: TenantId,
    row: string,
    values: Values<Of>,
  ): NewRow<Row, RowKeyColumn, Of> | Promise<NewRow<Row, RowKeyColumn, Of>>;
  /** Many rows with one load of the keys. */
  sealMany(
    tenant: TenantId,
    rows: readonly { readonly row: string; readonly values: Values<Of> }[],
  ): readonly NewRow<Row, RowKeyColumn, Of>[] | Promise<readonly NewRow<Row, RowKeyColumn, Of>[]>;
  /** Seals some columns of a row that exists, under its own row key, with their tags. */
  change(
    tenant: TenantId,
    found: FoundRow<Row, RowKeyColumn>,
    values: Partial<Values<Of>>,
  ): Partial<StoredColumns<Of>> | Promise<Partial<StoredColumns<Of>>>;
  /** The tags of some values alone: for rows that are tagged anew. */
  tags(tenant: TenantId, values: Partial<Values<Of>>): Tags<Of> | Promise<Tags<Of>>;
  /** Opens what was selected of a row. @throws RingwallError `keys.decrypt_failed` */
  open<Found extends FoundRow<Row, RowKeyColumn>>(
    tenant: TenantId,
    found: Found,
  ): OpenedRow<Of, Found> | Promise<OpenedRow<Of, Found>>;
  /** A page of rows with one load of each key version. @throws RingwallError `keys.decrypt_failed` when one does not open. */
  openMany<Found extends FoundRow<Row, RowKeyColumn>>(
    tenant: TenantId,
    found: readonly Found[],
  ): readonly OpenedRow<Of, Found>[] | Promise<readonly OpenedRow<Of, Found>[]>;
  /** The tags to ask for, of every live version of index and key. @throws RingwallError `keys.unavailable` */
  search(tenant: TenantId, column: TagColumn<Of>, value: string): Promise<Search>;
  /** Opens what a search found, and keeps the rows that really match. */
  matching<Found extends FoundRow<Row, RowKeyColumn>>(
    tenant: TenantId,
    search: Search,
    found: readonly Found[],
  ): Promise<readonly { readonly found: Found; readonly values: OpenedRow<Of, Found> }[]>;
}

/** While the row key is being opened, no column is. */
const ROW_KEY: OpeningAt = { column: "" };

interface Parts {
  readonly keys: Keys;
  readonly rowKeys: RowKeyCache;
  readonly locate: Locator;
}

// Names and values of columns, before their types are known again at the face.
type Texts = Readonly<Record<string, string | null>>;
type Cells = Record<string, Buffer | string | null>;
type Found = Readonly<Record<string, unknown>>;

/** Rows of `table`, over the key tree. */
export function sealedRows<Row extends string, RowKeyColumn extends string, Of extends Columns>(
  parts: Parts,
  table: TableShape<Row, RowKeyColumn, Of>,
): SealedRows<Row, RowKeyColumn, Of> {
  // One assertion for all: cells are made and read by the very declaration that these types come from.
  return new Rows(parts, table) as unknown as SealedRows<Row, RowKeyColumn, Of>;
}

class Rows {
  readonly #keys: Keys;
  readonly #rowKeys: RowKeyCache;
  readonly #locate: Locator;
  readonly #table: TableShape<string, string, Columns>;
  readonly #definitions: ReadonlyMap<string, ColumnDefinition>;

  constructor({ keys, locate, rowKeys }: Parts, table: TableShape<string, string, Columns>) {
    this.#keys = keys;
    this.#rowKeys = rowKeys;
    this.#locate = locate;
    this.#table = table;
    this.#definitions = new Map(table.columns.map(({ name, definition }) => [name, definition]));
  }

  seal(tenant: TenantId, row: string, values: Texts) {
    return then(this.sealMany(tenant, [{ row, values }]), ([sealed]) => sealed);
  }

  open(tenant: TenantId, found: Found) {
    return then(this.openMany(tenant, [found]), ([opened]) => opened);
  }

  sealMany(tenant: TenantId, rows: readonly { readonly row: string; readonly values: Texts }[]) {
    const { name: table, row: id, rowKey: keyColumn } = this.#table;
    return then(this.#writeKeys(tenant), ({ data, index }) =>
      rows.map(({ row, values }) => {
        const place = { table, row };
        const { rowKey, record } = mintRowKey(data, place);
        this.#rowKeys.keep(rowKey, place, record);
        const all = Object.fromEntries([...this.#definitions.keys()].map((name) => [name, values[name] ?? null]));
        return { [id]: row, [keyColumn]: record, ...this.#cells(rowKey, index, all) };
      }),
    );
  }

  change(tenant: TenantId, found: Found, values: Texts): Cells | Promise<Cells> {
    const stored = this.#stored(found);
    return then(this.#writeKeys(tenant), ({ index }) =>
      then(this.#dataKeys(tenant, [stored]), (loaded) =>
        this.#cells(
          this.#locate.now(tenant, stored, ROW_KEY, () => this.#rowKey(stored, loaded)),
          index,
          values,
        ),
      ),
    );
  }

  tags(tenant: TenantId, values: Texts): Cells | Promise<Cells> {
    return then(this.#keys.current(tenant, "index"), (index) => this.#tagCells(index, values));
  }

  openMany(tenant: TenantId, found: readonly Found[]) {
    const stored = found.map((row) => this.#stored(row));
    return then(this.#dataKeys(tenant, stored), (loaded) =>
      stored.map((place, nth) => {
        const at = { column: "" };
        return this.#locate.now(tenant, place, at, () =>
          this.#openRow(this.#rowKey(place, loaded), found[nth] ?? {}, at),
        );
      }),
    );
  }

  async search(tenant: TenantId, column: string, value: string): Promise<Search> {
    const index = this.#index(column);
    const { normaliser } = index.spec;
    const wanted = normalise(normaliser, value);
    const specs = index.previous === undefined ? [index.spec] : [index.spec, index.previous];
    const keys = await this.#searchKeys(tenant);
    const tags = keys.flatMap((key) => specs.flatMap((spec) => [...tagsFor(key, spec, value)]));
    return {
      column,
      of: index.spec.column,
      tags,
      parameter: tags.map((tag) => `\\x${tag.toString("hex")}`),
      matches: (held) => held !== null && wanted !== undefined && normalise(normaliser, held) === wanted,
    };
  }

  async matching(tenant: TenantId, search: Search, found: readonly Found[]) {
    for (const row of found)
      assert(Object.hasOwn(row, search.of), "what was searched for is selected, to be re-checked");
    const opened = await this.openMany(tenant, found);
    return found.flatMap((row, at) => {
      const values = opened[at] ?? {};
      return search.matches(values[search.of] ?? null) ? [{ found: row, values }] : [];
    });
  }

  /** The keys that new values need. The index key is not asked for by a table that has no index. */
  #writeKeys(tenant: TenantId) {
    const data = this.#keys.current(tenant, "data");
    const index = this.#table.indexes.length === 0 ? undefined : this.#keys.current(tenant, "index");
    return then(data, (loaded) => then(index, (other) => ({ data: loaded, index: other })));
  }

  /** Each version that the records need, once. */
  #dataKeys(tenant: TenantId, stored: readonly StoredRow[]) {
    const firsts = new Map<number, StoredRow>();
    for (const place of stored) {
      const version = this.#locate.now(tenant, place, ROW_KEY, () => rowKeyVersion(place.rowKey));
      if (!firsts.has(version)) firsts.set(version, place);
    }
    const keys = [...firsts].map(([version, place]) =>
      this.#locate.soon(tenant, place, ROW_KEY, () => this.#keys.version(tenant, "data", version)),
    );
    const toMap = (loaded: readonly TenantKey[]): ReadonlyMap<number, TenantKey> =>
      new Map(loaded.map((key) => [key.version, key]));
    const warm = keys.filter((key) => key instanceof TenantKey);
    return warm.length === keys.length ? toMap(warm) : Promise.all(keys.map(async (key) => await key)).then(toMap);
  }

  /** The current index key, and the one before while there is one: rows are tagged anew after a rotation, not during it. */
  async #searchKeys(tenant: TenantId): Promise<readonly TenantKey[]> {
    const current = await this.#keys.current(tenant, "index");
    if (current.version === 1) return [current];
    try {
      return [current, await this.#keys.version(tenant, "index", current.version - 1)];
    } catch (error) {
      // Destroyed: nothing that it tagged is to be found again.
      if (error instanceof RingwallError && error.code === "keys.decrypt_failed") return [current];
      throw error;
    }
  }

  #stored(found: Found): StoredRow {
    const { name: table, row: id, rowKey: keyColumn } = this.#table;
    const row = found[id];
    const rowKey = found[keyColumn];
    assert(typeof row === "string", "a found row has its id");
    // What is no record is refused as every other that does not open, where its version is read.
    return { table, row, rowKey: Buffer.isBuffer(rowKey) ? rowKey : Buffer.alloc(0) };
  }

  #rowKey(stored: StoredRow, loaded: ReadonlyMap<number, TenantKey>): RowKey {
    const key = loaded.get(rowKeyVersion(stored.rowKey));
    assert(key !== undefined, "every version that is needed was loaded");
    return this.#rowKeys.open(key, stored);
  }

  #openRow(rowKey: RowKey, found: Found, at: OpeningAt): Record<string, string | null> {
    const opened: Record<string, string | null> = {};
    for (const [name, { hidesNull, nullable, stored }] of this.#definitions) {
      const cell = found[name];
      if (cell === undefined) continue;
      at.column = name;
      if (cell === null && nullable && !hidesNull) opened[name] = null;
      // Where NULL is hidden or not allowed, one that is seen was put there by somebody else.
      else opened[name] = openAnyField(rowKey, name, cellBytes(stored, cell));
    }
    return opened;
  }

  #cells(rowKey: RowKey, index: TenantKey | undefined, values: Texts): Cells {
    const cells: Cells = {};
    for (const [name, value] of Object.entries(values)) {
      const definition = this.#definitions.get(name);
      assert(definition !== undefined, "only declared columns are sealed");
      cells[name] = sealCell(rowKey, name, definition, value);
    }
    return Object.assign(cells, this.#tagCells(index, values));
  }

  #tagCells(index: TenantKey | undefined, values: Texts): Cells {
    const cells: Cells = {};
    for (const { declared, spec } of this.#table.indexes) {
      const value = values[spec.column];
      if (value === undefined) continue;
      assert(index !== undefined, "a table with indexes has their key");
      cells[declared.column] = tagCell(index, spec, this.#definitions.get(spec.column), value);
    }
    return cells;
  }

  #index(column: string): TableIndex {
    const index = this.#table.indexes.find(({ declared }) => declared.column === column);
    assert(index !== undefined, "a search is by a declared index");
    return index;
  }
}

function cellBytes(stored: ColumnDefinition["stored"], cell: unknown): Buffer {
  if (stored === "text" && typeof cell === "string") return parseSealedText(cell);
  if (stored === "bytea" && Buffer.isBuffer(cell)) return cell;
  throw decryptFailed();
}

function sealCell(rowKey: RowKey, name: string, definition: ColumnDefinition, value: string | null) {
  const { hidesNull, nullable, paddedBytes, stored } = definition;
  assert(value !== null || nullable || hidesNull, "a column that is never NULL gets a value");
  if (value === null && !hidesNull) return null;
  const sealed =
    paddedBytes === undefined ? sealField(rowKey, name, value ?? "") : sealPadded(rowKey, name, value, paddedBytes);
  return stored === "text" ? sealedText(sealed) : sealed;
}

function tagCell(key: TenantKey, spec: IndexSpec, definition: ColumnDefinition | undefined, value: string | null) {
  const tag = value === null ? undefined : tagOf(key, spec, value);
  // A missing tag would show what the column hides.
  return tag ?? (definition?.hidesNull === true ? randomTag(key, spec) : null);
}

/** Goes on at once with what is there, and later with what is not. */
function then<From, To>(value: From | Promise<From>, go: (value: From) => To | Promise<To>): To | Promise<To> {
  return value instanceof Promise ? value.then(go) : go(value);
}
