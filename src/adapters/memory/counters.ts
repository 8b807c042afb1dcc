import {
  assert,
  BUCKET_KEY_CHARS_MAX,
  BUCKETS_MAX,
  type Bucket,
  type Clock,
  type CounterStore,
  type Taken,
  unitMicros,
} from "../../core/index.ts";

/** The memory store answers at once, never with a promise. */
export interface MemoryCounters extends CounterStore {
  take(buckets: readonly Bucket[]): Taken;
  /** Buckets remembered now; for tests and metrics. */
  readonly size: number;
}

/** About 200 bytes a bucket with its key: 20 MB at most. */
const BUCKETS_REMEMBERED_MAX = 100_000;
/** How many of the oldest buckets one insertion looks at when the memory is full. Bounds its price. */
const CANDIDATES = 8;

/** A bucket's theoretical arrival time (GCRA), in microseconds. What lies in the past holds no information. */
interface Cell {
  arrivalMicros: number;
}

/**
 * Rate limits in this process alone: for one node, and for development.
 *
 * Bounded: when full, the buckets whose limit has recovered go first, and among the oldest others the one that
 * owes least. So a flood of fresh addresses pushes out strangers who are nowhere near their limit, and never the bucket of
 * somebody who is refused right now in favour of somebody who is not.
 */
export function memoryCounters(options: { clock: Clock; bucketsMax?: number }): MemoryCounters {
  const { clock } = options;
  const bucketsMax = options.bucketsMax ?? BUCKETS_REMEMBERED_MAX;
  assert(
    Number.isInteger(bucketsMax) && bucketsMax >= BUCKETS_MAX,
    "the memory holds at least the buckets of one call",
  );
  const cells = new Map<string, Cell>();

  const write = (key: string, cell: Cell | undefined, arrivalMicros: number, nowMicros: number): void => {
    if (cell !== undefined) {
      cell.arrivalMicros = arrivalMicros;
      return;
    }
    if (cells.size >= bucketsMax) makeRoom(cells, nowMicros);
    cells.set(key, { arrivalMicros });
  };

  return {
    get size() {
      return cells.size;
    },
    take(buckets) {
      assert(buckets.length > 0 && buckets.length <= BUCKETS_MAX, "one take has between one and eight buckets");
      const nowMicros = Math.floor(clock() * 1_000);
      let remaining = Number.POSITIVE_INFINITY;
      let tightest = 0;
      let waitMicros = 0;
      let refused = -1;
      for (let index = 0; index < buckets.length; index += 1) {
        const bucket = buckets[index];
        if (bucket === undefined) continue;
        assert(isUsable(buckets, bucket, index), "buckets have distinct, short keys and positive limits");
        const unit = unitMicros(bucket);
        const next = arrivalAt(cells.get(bucket.key), nowMicros, unit * bucket.burst) + unit;
        // How far ahead of its pace the bucket would be, against how far it may be.
        const room = nowMicros + unit * bucket.burst - next;
        if (-room > waitMicros) {
          waitMicros = -room;
          refused = index;
        }
        const left = Math.floor(room / unit);
        if (left < remaining) {
          remaining = left;
          tightest = index;
        }
      }
      if (refused !== -1) {
        return {
          allowed: false,
          remaining: 0,
          tightest: refused,
          retryAfterMs: Math.ceil(waitMicros / 1_000),
          refused,
        };
      }
      for (const bucket of buckets) {
        const cell = cells.get(bucket.key);
        const unit = unitMicros(bucket);
        write(bucket.key, cell, arrivalAt(cell, nowMicros, unit * bucket.burst) + unit, nowMicros);
      }
      return { allowed: true, remaining, tightest, retryAfterMs: 0, refused };
    },
  };
}

/**
 * How far a bucket is used up. It is never further ahead than its burst, unless the clock was set back: then it counts
 * anew, instead of refusing until the clock has caught up.
 */
function arrivalAt(cell: Cell | undefined, nowMicros: number, burstMicros: number): number {
  const arrival = cell?.arrivalMicros ?? 0;
  return arrival > nowMicros && arrival <= nowMicros + burstMicros ? arrival : nowMicros;
}

/** Frees at least one place. Buckets that were looked at and kept move to the young end, so that all get their turn. */
function makeRoom(cells: Map<string, Cell>, nowMicros: number): void {
  const seen: (readonly [string, Cell])[] = [];
  for (const entry of cells) {
    seen.push(entry);
    if (seen.length === CANDIDATES) break;
  }
  const live = seen.filter(([, cell]) => cell.arrivalMicros > nowMicros);
  for (const [key] of seen) cells.delete(key);
  if (live.length === seen.length) {
    const least = Math.min(...live.map(([, cell]) => cell.arrivalMicros));
    live.splice(
      live.findIndex(([, cell]) => cell.arrivalMicros === least),
      1,
    );
  }
  for (const [key, cell] of live) cells.set(key, cell);
}

function isUsable(buckets: readonly Bucket[], bucket: Bucket, index: number): boolean {
  for (let before = 0; before < index; before += 1) if (buckets[before]?.key === bucket.key) return false;
  return bucket.key.length <= BUCKET_KEY_CHARS_MAX && bucket.limit > 0 && bucket.periodMs > 0 && bucket.burst >= 1;
}
