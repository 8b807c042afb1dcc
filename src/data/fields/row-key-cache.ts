import { LRUCache } from "lru-cache";
import { openRowKey, type RowKey, type RowPlace, type TenantKey } from "../keys/index.ts";

/** What is needed to open fields of one row: the place and the row key's record. */
export interface StoredRow extends RowPlace {
  readonly rowKey: Buffer;
}

/** Unwrapped row keys, bound to the tenant key that unwrapped them: when that one is forgotten or replaced, so are they. */
export class RowKeyCache {
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
