import { type KeyObject, timingSafeEqual } from "node:crypto";
import { assert, encodeTuple, randomBytes } from "../../core/index.ts";
import { commitmentOf, keyFrom, subkeyOf } from "./derive.ts";
import { BOX_OVERHEAD_BYTES, box, decryptFailed, KEY_BYTES, unbox } from "./envelope.ts";
import type { TenantKey } from "./tenant-key.ts";

/**
 * A row key's record, 98 bytes, stored in the row that it is for:
 *
 *     0   version     1   always 1
 *     1   suite       1   1 = AES-256-GCM, HKDF-SHA-256
 *     2   kek version 4   big-endian; which version of the tenant's data key wraps it
 *     6   nonce      12
 *     18  wrapped    32
 *     50  tag        16
 *     66  commitment 32   HKDF-Expand of the row key; compared in constant time before any use
 */
export const ROW_KEY_BYTES = 98;
const HEADER_BYTES = 6;
const BOX_END = HEADER_BYTES + BOX_OVERHEAD_BYTES + KEY_BYTES;
const VERSION = 1;
const SUITE = 1;
const WRAP = "rw/row-key/wrap/v1";

/** Which row a key is for. Row ids exist before the insert and never change. */
export interface RowPlace {
  readonly table: string;
  readonly row: string;
}

/** Of more than these the keys are derived at each use: what a cached row key takes in memory is bounded. */
const COLUMNS_KEPT_MAX = 32;

/** The key of one column of one row, and the associated data of its fields. */
export interface ColumnKey {
  readonly key: KeyObject;
  readonly associated: Buffer;
}

/** An unwrapped row key, in its place. Hands out one key per column. */
export class RowKey implements RowPlace {
  /** The tenant key it was wrapped with: when that one is forgotten, this one is too. */
  readonly wrappedBy: TenantKey;
  readonly table: string;
  readonly row: string;
  readonly #key: KeyObject;
  readonly #columns = new Map<string, ColumnKey>();

  constructor(wrappedBy: TenantKey, place: RowPlace, key: KeyObject) {
    this.wrappedBy = wrappedBy;
    this.table = place.table;
    this.row = place.row;
    this.#key = key;
  }

  /**
   * The key of a column. Derived once and kept, together with the associated data, which is the same for all fields of
   * one place.
   * @param bind - Makes the associated data; one and the same function for all callers.
   */
  column(column: string, bind: (rowKey: RowKey, column: string) => Buffer): ColumnKey {
    const known = this.#columns.get(column);
    if (known !== undefined) return known;
    const key = subkeyOf(this.#key, "rw/field/v1", this.table, column);
    const derived = { key, associated: bind(this, column) };
    if (this.#columns.size < COLUMNS_KEPT_MAX) this.#columns.set(column, derived);
    return derived;
  }
}

/** Makes a row key and its record. `kek` is the current version of the tenant's `data` key. */
export function mintRowKey(kek: TenantKey, place: RowPlace): { rowKey: RowKey; record: Buffer } {
  const bytes = randomBytes(KEY_BYTES);
  const boxed = wrap(kek, place, bytes);
  const key = keyFrom(bytes);
  const record = Buffer.concat([boxed, commitmentOf(key)], ROW_KEY_BYTES);
  return { rowKey: new RowKey(kek, place, key), record };
}

/**
 * Wraps a row's key under another version of the tenant's key. The row key stays the same, so the row's fields do too;
 * what was made is opened again before it is given back.
 *
 * @throws RingwallError `keys.decrypt_failed` when `record` is not the row's, or not wrapped by `from`.
 */
export function rewrapRowKey(from: TenantKey, to: TenantKey, place: RowPlace, record: Buffer): Buffer {
  assert(from.tenant === to.tenant && to.purpose === "data", "a row stays with its tenant");
  openRowKey(from, place, record);
  const bytes = unbox(from.subkey(WRAP), associated(from, place), record.subarray(0, BOX_END), HEADER_BYTES);
  const fresh = Buffer.concat([wrap(to, place, bytes), record.subarray(BOX_END)], ROW_KEY_BYTES);
  bytes.fill(0);
  openRowKey(to, place, fresh);
  return fresh;
}

function wrap(kek: TenantKey, place: RowPlace, bytes: Buffer): Buffer {
  assert(kek.purpose === "data", "row keys are wrapped by the data key");
  kek.wraps.count();
  const header = Buffer.allocUnsafe(HEADER_BYTES);
  header[0] = VERSION;
  header[1] = SUITE;
  header.writeUInt32BE(kek.version, 2);
  return box(kek.subkey(WRAP), associated(kek, place), bytes, header);
}

/**
 * The version of the tenant key that `record` needs.
 * @throws RingwallError `keys.decrypt_failed` when this is no row key record of a version we know.
 */
export function rowKeyVersion(record: Buffer): number {
  if (record.length !== ROW_KEY_BYTES || record[0] !== VERSION || record[1] !== SUITE) throw decryptFailed();
  return record.readUInt32BE(2);
}

/** True for the 98 zero bytes that an erasure leaves in a row. */
export function isErasedRowKey(record: Buffer): boolean {
  return record.length === ROW_KEY_BYTES && record.every((byte) => byte === 0);
}

/** @throws RingwallError `keys.decrypt_failed` for another tenant, table, row or key, and for changed bytes. */
export function openRowKey(kek: TenantKey, place: RowPlace, record: Buffer): RowKey {
  if (rowKeyVersion(record) !== kek.version) throw decryptFailed();
  const bytes = unbox(kek.subkey(WRAP), associated(kek, place), record.subarray(0, BOX_END), HEADER_BYTES);
  const key = keyFrom(bytes);
  if (!timingSafeEqual(commitmentOf(key), record.subarray(BOX_END))) throw decryptFailed();
  return new RowKey(kek, place, key);
}

function associated(kek: TenantKey, place: RowPlace): Buffer {
  assert(place.table !== "" && place.row !== "", "a row key is bound to a table and a row");
  return encodeTuple("rw/row-key/v1", kek.tenant, place.table, place.row, String(kek.version));
}
