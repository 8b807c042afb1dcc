import { assert } from "../../core/index.ts";

/** One row as the attacker sees it, and what it really holds. */
export interface Observation {
  /** What is in clear: a tag, a length. Null where the column is NULL. */
  readonly seen: string | null;
  /** The value behind it, in the form that is searched. Null where there is none. */
  readonly value: string | null;
}

/** What somebody learns who has the database and no key. Shares are of all rows that hold a value. */
export interface Leakage {
  readonly rows: number;
  /** Rows in which the column is seen to be NULL. */
  readonly nulls: number;
  /** Rows that hold a value. */
  readonly held: number;
  /** Different values. */
  readonly values: number;
  /** Different tags, or different lengths. */
  readonly seen: number;
  readonly largestBucket: number;
  /** Right without looking at the database: always the most frequent value. */
  readonly guessing: number;
  /**
   * Right by frequency analysis: somebody who knows exactly how often each value occurs takes the most frequent tag for
   * the most frequent value, and so on down.
   */
  readonly frequency: number;
  /** Right for somebody who knows of each tag which value is its most frequent one. Nothing that reads tags does better. */
  readonly ceiling: number;
}

/** Measures what one index, or the length of one column, tells about one tenant's rows. */
export function measureLeakage(observations: readonly Observation[]): Leakage {
  const held = observations.filter((one): one is Observation & { value: string } => one.value !== null);
  const buckets = new Map<string, Map<string, number>>();
  const frequencies = new Map<string, number>();
  for (const { seen, value } of held) {
    add(frequencies, value);
    // A value without a tag is seen too: as one that its normaliser leaves nothing of.
    const key = seen ?? "";
    const bucket = buckets.get(key) ?? new Map<string, number>();
    buckets.set(key, bucket);
    add(bucket, value);
  }
  const ranked = byFrequency(frequencies);
  const sizes = new Map([...buckets].map(([seen, bucket]) => [seen, total(bucket)]));
  const tagsRanked = byFrequency(sizes);
  let matched = 0;
  let most = 0;
  tagsRanked.forEach(([seen], rank) => {
    const bucket = buckets.get(seen);
    assert(bucket !== undefined, "a counted tag is there");
    matched += bucket.get(ranked[rank]?.[0] ?? "") ?? 0;
    most += Math.max(...bucket.values());
  });
  const share = (count: number): number => (held.length === 0 ? 0 : count / held.length);
  return {
    rows: observations.length,
    held: held.length,
    nulls: observations.filter(({ seen }) => seen === null).length,
    values: frequencies.size,
    seen: buckets.size,
    largestBucket: tagsRanked[0]?.[1] ?? 0,
    guessing: share(ranked[0]?.[1] ?? 0),
    frequency: share(matched),
    ceiling: share(most),
  };
}

/** The share of rows that no other row looks like, all tags of a row taken together. */
export function shareAlone(rows: readonly string[]): number {
  const counts = new Map<string, number>();
  for (const row of rows) add(counts, row);
  const alone = [...counts.values()].filter((count) => count === 1).length;
  return rows.length === 0 ? 0 : alone / rows.length;
}

function add(counts: Map<string, number>, key: string): void {
  counts.set(key, (counts.get(key) ?? 0) + 1);
}

function total(counts: ReadonlyMap<string, number>): number {
  let sum = 0;
  for (const count of counts.values()) sum += count;
  return sum;
}

/** Ties in the order of the text itself, which for tags is chance. */
function byFrequency(counts: ReadonlyMap<string, number>): [string, number][] {
  return [...counts].toSorted(([a, left], [b, right]) => right - left || (a < b ? -1 : 1));
}
