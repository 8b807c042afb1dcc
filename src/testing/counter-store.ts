import * as fc from "fast-check";
import { expect, test } from "vitest";
import { type Bucket, type CounterStore, unitMicros } from "../core/index.ts";

/** A store under test. `advance` moves the store's own clock, or does what comes to the same. */
export interface CounterStoreUnderTest {
  readonly store: CounterStore;
  advance: (ms: number) => void | Promise<void>;
}

const SECOND = 1_000;
// So long that the real milliseconds a test takes on a server with a clock of its own never fill a unit.
const HOUR = 3_600 * SECOND;
const DRIFT_MS = 60 * SECOND;

let fresh = 0;
/** A key nobody used, so that stores may be shared between tests. */
function freshKey(): string {
  fresh += 1;
  return `-:contract:${fresh}`;
}

function bucket(limit: number, burst: number, key = freshKey()): Bucket {
  return { key, limit, periodMs: limit * HOUR, burst };
}

/** Every CounterStore must pass this; `make` is called for each test. */
export function counterStoreContract(make: () => CounterStoreUnderTest | Promise<CounterStoreUnderTest>): void {
  countingContract(make);
  severalBucketsContract(make);
  propertyContract(make);
}

function countingContract(make: () => CounterStoreUnderTest | Promise<CounterStoreUnderTest>): void {
  test("lets a burst through, then refuses and says how long to wait", async () => {
    const { store } = await make();
    const one = bucket(1, 3);
    expect(await store.take([one])).toEqual({ allowed: true, remaining: 2, tightest: 0, retryAfterMs: 0, refused: -1 });
    expect((await store.take([one])).remaining).toBe(1);
    expect((await store.take([one])).remaining).toBe(0);
    const refused = await store.take([one]);
    expect(refused).toMatchObject({ allowed: false, remaining: 0, tightest: 0, refused: 0 });
    expect(refused.retryAfterMs).toBeGreaterThan(HOUR - DRIFT_MS);
    expect(refused.retryAfterMs).toBeLessThanOrEqual(HOUR);
  });

  test("gives back one unit per period divided by the limit", async () => {
    const { store, advance } = await make();
    const one = bucket(1, 2);
    await store.take([one]);
    await store.take([one]);
    await advance(HOUR - DRIFT_MS);
    expect((await store.take([one])).allowed).toBe(false);
    await advance(DRIFT_MS);
    expect((await store.take([one])).allowed).toBe(true);
    expect((await store.take([one])).allowed).toBe(false);
  });

  test("a clock that is set back refuses nobody for longer than a bucket takes to recover", async () => {
    const { store, advance } = await make();
    const [short, long] = [{ ...bucket(60, 1), periodMs: HOUR }, bucket(1, 2)];
    await store.take([short, long]);
    await store.take([long]);
    // Further back than the burst of the one, not of the other.
    await advance(-HOUR / 2);
    expect((await store.take([short])).allowed).toBe(true);
    expect((await store.take([short])).allowed).toBe(false);
    expect((await store.take([long])).retryAfterMs).toBeLessThanOrEqual(1.5 * HOUR);
  });

  test("a refusal costs nothing: waiting as told is enough however often one asked", async () => {
    const { store, advance } = await make();
    const one = bucket(1, 1);
    await store.take([one]);
    for (let asked = 0; asked < 20; asked += 1) await store.take([one]);
    const { retryAfterMs } = await store.take([one]);
    await advance(retryAfterMs);
    expect((await store.take([one])).allowed).toBe(true);
  });

  test("never holds more than the burst, however long nobody came", async () => {
    const { store, advance } = await make();
    const one = bucket(1, 3);
    await store.take([one]);
    await advance(1_000 * HOUR);
    const results = await Promise.all(Array.from({ length: 10 }, async () => store.take([one])));
    expect(results.filter((taken) => taken.allowed)).toHaveLength(3);
  });

  test("a hundred takes at once are counted a hundred times", async () => {
    const { store } = await make();
    const one = bucket(1, 40);
    const results = await Promise.all(Array.from({ length: 100 }, async () => store.take([one])));
    expect(results.filter((taken) => taken.allowed)).toHaveLength(40);
  });

  test("keys do not touch each other, also when one is the beginning of another", async () => {
    const { store } = await make();
    const key = freshKey();
    await store.take([bucket(1, 1, key)]);
    expect((await store.take([bucket(1, 1, `${key}:`)])).allowed).toBe(true);
    expect((await store.take([bucket(1, 1, `${key}\0`)])).allowed).toBe(true);
    expect((await store.take([bucket(1, 1, key)])).allowed).toBe(false);
  });
}

function severalBucketsContract(make: () => CounterStoreUnderTest | Promise<CounterStoreUnderTest>): void {
  test("takes from all buckets or from none", async () => {
    const { store } = await make();
    const wide = bucket(1, 3);
    const narrow = bucket(1, 1);
    expect(await store.take([wide, narrow])).toMatchObject({ allowed: true, remaining: 0, tightest: 1 });
    expect(await store.take([wide, narrow])).toMatchObject({ allowed: false, refused: 1, tightest: 1 });
    expect(await store.take([narrow, wide])).toMatchObject({ allowed: false, refused: 0, tightest: 0 });
    // The refused takes left the wide bucket as it was: two of three are still there.
    expect(await store.take([wide])).toMatchObject({ allowed: true, remaining: 1 });
  });

  test("names the bucket that keeps the caller waiting longest", async () => {
    const { store } = await make();
    const short = { ...bucket(1, 1), periodMs: HOUR };
    const long = { ...bucket(1, 1), periodMs: 10 * HOUR };
    await store.take([short, long]);
    const refused = await store.take([short, long]);
    expect(refused.refused).toBe(1);
    expect(refused.retryAfterMs).toBeGreaterThan(9 * HOUR);
  });

  test("refuses calls that are a caller's mistake", async () => {
    const { store } = await make();
    const one = bucket(1, 1);
    const attempts: (readonly Bucket[])[] = [
      [],
      [one, one],
      [{ ...one, limit: 0 }],
      [{ ...one, periodMs: -1 }],
      [{ ...one, burst: 0 }],
      [{ ...one, key: "k".repeat(513) }],
      Array.from({ length: 9 }, () => bucket(1, 1)),
    ];
    for (const buckets of attempts) {
      await expect((async () => store.take(buckets))()).rejects.toThrow("assertion failed");
    }
  });
}

/** GCRA in its plainest form, on whole microseconds, to hold a store against. */
function model(): { take(buckets: readonly Bucket[]): boolean; advance(ms: number): void } {
  const arrivals = new Map<string, number>();
  let now = 0;
  return {
    advance(ms) {
      now += ms * 1_000;
    },
    take(buckets) {
      const next = buckets.map((b) => Math.max(arrivals.get(b.key) ?? 0, now) + unitMicros(b));
      const fits = buckets.every((b, index) => (next[index] ?? 0) - now <= unitMicros(b) * b.burst);
      if (fits) buckets.forEach((b, index) => arrivals.set(b.key, next[index] ?? 0));
      return fits;
    },
  };
}

function propertyContract(make: () => CounterStoreUnderTest | Promise<CounterStoreUnderTest>): void {
  // Steps of half an hour against units of whole hours: real time that passes meanwhile (forwards, and less than half
  // an hour) can never change a verdict.
  const step = fc.oneof(
    fc.record({ kind: fc.constant("advance" as const), halves: fc.integer({ min: 1, max: 9 }) }),
    fc.record({ kind: fc.constant("take" as const), which: fc.subarray([0, 1, 2], { minLength: 1 }) }),
  );
  const shape = fc.record({ limit: fc.integer({ min: 1, max: 4 }), burst: fc.integer({ min: 1, max: 5 }) });

  test("decides like the plain algorithm, whatever comes in whatever order", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.tuple(shape, shape, shape),
        fc.array(step, { minLength: 1, maxLength: 40 }),
        async (shapes, steps) => {
          const { store, advance } = await make();
          const reference = model();
          const buckets = shapes.map(({ limit, burst }) => bucket(limit, burst));
          for (const one of steps) {
            if (one.kind === "advance") {
              reference.advance((one.halves * HOUR) / 2);
              await advance((one.halves * HOUR) / 2);
              continue;
            }
            const chosen = one.which.flatMap((index) => buckets[index] ?? []);
            const taken = await store.take(chosen);
            expect(taken.allowed).toBe(reference.take(chosen));
            expect(taken.refused === -1).toBe(taken.allowed);
            expect(taken.retryAfterMs > 0).toBe(!taken.allowed);
            expect(taken.remaining).toBeGreaterThanOrEqual(0);
          }
        },
      ),
      { numRuns: 30 },
    );
  });
}
