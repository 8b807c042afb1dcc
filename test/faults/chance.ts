import { randomBytes } from "../../src/core/index.ts";

/** Choices that can be made again: the same seed gives the same ones in the same order. */
export interface Chance {
  readonly seed: number;
  /** A whole number from 0 to `below`, exclusive. */
  below(limit: number): number;
  pick<T>(from: readonly T[]): T;
}

/** The seed of an earlier run, or a new one. */
export function seedOf(text: string | undefined): number {
  return text === undefined ? randomBytes(4).readUInt32BE() : Number(text);
}

/** SplitMix32: small, and good enough to choose who is killed when. */
export function chanceOf(seed: number): Chance {
  if (!Number.isSafeInteger(seed) || seed < 0) throw new Error("RINGWALL_TEST_SEED is a whole number");
  let state = seed >>> 0;
  const below = (limit: number): number => {
    state = (state + 0x9e3779b9) >>> 0;
    let mixed = state ^ (state >>> 16);
    mixed = Math.imul(mixed, 0x21f0aaad);
    mixed ^= mixed >>> 15;
    mixed = Math.imul(mixed, 0x735a2d97);
    mixed ^= mixed >>> 15;
    return Math.floor(((mixed >>> 0) / 2 ** 32) * limit);
  };
  return {
    seed,
    below,
    pick(from) {
      const chosen = from[below(from.length)];
      if (chosen === undefined) throw new Error("there is nothing to choose from");
      return chosen;
    },
  };
}
