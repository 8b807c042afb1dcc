/** Draws that the same seed repeats: a disguise under which a fault was missed can be put on again. */
export interface Draws {
  /** A whole number from 0 up to `below`, which it does not reach. */
  below(limit: number): number;
  chance(percent: number): boolean;
  one<T>(list: readonly [T, ...T[]]): T;
}

/** Mulberry32: small, and good enough to choose disguises. Keeps no secret. */
export function draws(seed: number): Draws {
  let state = seed >>> 0;
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  const below = (limit: number): number => Math.floor(next() * limit);
  return {
    below,
    chance: (percent) => below(100) < percent,
    one: (list) => list[below(list.length)] ?? list[0],
  };
}
