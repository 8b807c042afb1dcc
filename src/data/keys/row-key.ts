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

// A row with more sealed columns than this is not one we know how to be fast for; PostgreSQL allows 1,600.
const COLUMNS_MAX = 256;

/** An unwrapped row key. Hands out one key per column. */
export class RowKey {
  /** The tenant key it was wrapped with: when that one is forgotten, this one is too. */
  readonly wrappedBy: TenantKey;
  readonly #key: KeyObject;
  readonly #columns = new Map<string, KeyObject>();

  constructor(wrappedBy: TenantKey, key: KeyObject) {
    this.wrappedBy = wrappedBy;
    this.#key = key;
  }

  columnKey(table: string, column: string): KeyObject {
    const known = this.#columns.get(column);
    if (known !== undefined) return known;
    assert(this.#columns.size < COLUMNS_MAX, "a row has a bounded number of sealed columns");
    const derived = subkeyOf(this.#key, "rw/field/v1", table, column);
    this.#columns.set(column, derived);
    return derived;
  }
}

/** Makes a row key and its record. `kek` is the current version of the tenant's `data` key. */
export function mintRowKey(kek: TenantKey, place: RowPlace): { rowKey: RowKey; record: Buffer } {
  assert(kek.purpose === "data", "row keys are wrapped by the data key");
  const bytes = randomBytes(KEY_BYTES);
  const header = Buffer.allocUnsafe(HEADER_BYTES);
  header[0] = VERSION;
  header[1] = SUITE;
  header.writeUInt32BE(kek.version, 2);
  const boxed = box(kek.subkey(WRAP), associated(kek, place), bytes, header);
  const key = keyFrom(bytes);
  const record = Buffer.concat([boxed, commitmentOf(key)], ROW_KEY_BYTES);
  return { rowKey: new RowKey(kek, key), record };
}

/**
 * The version of the tenant key that `record` needs.
 * @throws RingwallError `keys.decrypt_failed` when this is no row key record of a version we know.
 */
export function rowKeyVersion(record: Buffer): number {
  if (record.length !== ROW_KEY_BYTES || record[0] !== VERSION || record[1] !== SUITE) throw decryptFailed();
  return record.readUInt32BE(2);
}

/** @throws RingwallError `keys.decrypt_failed` for another tenant, table, row or key, and for changed bytes. */
export function openRowKey(kek: TenantKey, place: RowPlace, record: Buffer): RowKey {
  if (rowKeyVersion(record) !== kek.version) throw decryptFailed();
  const bytes = unbox(kek.subkey(WRAP), associated(kek, place), record.subarray(0, BOX_END), HEADER_BYTES);
  const key = keyFrom(bytes);
  if (!timingSafeEqual(commitmentOf(key), record.subarray(BOX_END))) throw decryptFailed();
  return new RowKey(kek, key);
}

function associated(kek: TenantKey, place: RowPlace): Buffer {
  assert(place.table !== "" && place.row !== "", "a row key is bound to a table and a row");
  return encodeTuple("rw/row-key/v1", kek.tenant, place.table, place.row, String(kek.version));
}
