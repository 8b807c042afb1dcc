import { describe, expect, test } from "vitest";
import { counterStoreContract } from "../../testing/counter-store.ts";
import { memoryCounters } from "./counters.ts";

const HOUR = 3_600_000;
const EPOCH = 1_764_000_000_000;

function movable(bucketsMax?: number) {
  let now = EPOCH;
  const store = memoryCounters({ clock: () => now, ...(bucketsMax === undefined ? {} : { bucketsMax }) });
  return { store, advance: (ms: number) => void (now += ms) };
}

const once = (key: string, periodMs = HOUR) => ({ key, limit: 1, periodMs, burst: 1 });

describe("the contract", () => {
  counterStoreContract(() => movable());
});

describe("the memory is bounded", () => {
  test("a flood of fresh keys never makes it larger than its limit", () => {
    const { store } = movable(64);
    for (let count = 0; count < 10_000; count += 1) store.take([once(`flood:${count}`)]);
    expect(store.size).toBe(64);
  });

  test("a flood of people far from their limit does not free the one who is refused", () => {
    const { store } = movable(64);
    const guesser = { key: "guesser", limit: 5, periodMs: HOUR, burst: 5 };
    for (let guess = 0; guess < 5; guess += 1) store.take([guesser]);
    expect(store.take([guesser]).allowed).toBe(false);
    for (let count = 0; count < 10_000; count += 1) {
      store.take([{ key: `flood:${count}`, limit: 3_000, periodMs: 60_000, burst: 500 }]);
    }
    expect(store.take([guesser]).allowed).toBe(false);
  });

  test("buckets that have recovered make room first", () => {
    const { store, advance } = movable(16);
    const kept = once("kept", 100 * HOUR);
    store.take([kept]);
    for (let count = 0; count < 15; count += 1) store.take([once(`old:${count}`)]);
    advance(2 * HOUR);
    for (let count = 0; count < 8; count += 1) store.take([once(`new:${count}`, 200 * HOUR)]);
    expect(store.take([kept]).allowed).toBe(false);
    for (let count = 0; count < 8; count += 1) {
      expect(store.take([once(`new:${count}`, 200 * HOUR)]).allowed).toBe(false);
    }
  });

  test("answers at once, so that a warm request needs no promise", () => {
    const { store } = movable();
    expect(store.take([once("sync")])).not.toBeInstanceOf(Promise);
  });
});
