import { LRUCache } from "lru-cache";
import { type Keys, openRowKey, type RowKey, type RowPlace, type TenantKey } from "../keys/index.ts";

/** What is needed to open fields of one row: the place and the row key's record. */
export interface StoredRow extends RowPlace {
  readonly rowKey: Buffer;
}

/** How often one is used before it is unwrapped again. */
const USES_MAX = 2 ** 20;

/**
 * Unwrapped row keys, bound to the tenant key that unwrapped them: when that one is forgotten, replaced or too old, so
 * are they. None outlives it in memory.
 */
export class RowKeyCache {
  readonly #kept: LRUCache<string, { readonly rowKey: RowKey; uses: number }> | undefined;

  /** @param max - How many; each takes up to 16 KiB, and about 1 KiB with a few columns. */
  constructor(max: number, keys: Pick<Keys, "onForgotten">) {
    if (max === 0) return;
    const kept = new LRUCache<string, { readonly rowKey: RowKey; uses: number }>({ max });
    this.#kept = kept;
    keys.onForgotten((isKept) => {
      for (const [name, { rowKey }] of kept.entries()) if (!isKept(rowKey.wrappedBy)) kept.delete(name);
    });
  }

  get size(): number {
    return this.#kept?.size ?? 0;
  }

  open(kek: TenantKey, place: StoredRow): RowKey {
    const name = cacheName(kek, place, place.rowKey);
    const known = this.#kept?.get(name);
    if (known !== undefined && known.rowKey.wrappedBy === kek && known.uses < USES_MAX) {
      known.uses += 1;
      return known.rowKey;
    }
    const opened = openRowKey(kek, place, place.rowKey);
    this.#kept?.set(name, { rowKey: opened, uses: 0 });
    return opened;
  }

  keep(rowKey: RowKey, place: RowPlace, record: Buffer): void {
    this.#kept?.set(cacheName(rowKey.wrappedBy, place, record), { rowKey, uses: 0 });
  }
}

/**
 * Tenant first, then the whole record, so that a changed byte is never a hit. The tenant and the record have no
 * freedom of length, and the table's length is written out: no two places give the same text.
 */
function cacheName(kek: TenantKey, place: RowPlace, record: Buffer): string {
  return `${kek.tenant}/${record.toString("latin1")}${String(place.table.length)}/${place.table}${place.row}`;
}
