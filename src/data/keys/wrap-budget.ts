import { assert } from "../../core/index.ts";

/**
 * Row keys are wrapped under random 96-bit nonces: NIST SP 800-38D (section 8.3) allows 2^32 of them under one key. At
 * half of that the next version is made, which leaves every process time to hear of it.
 */
export const WRAPS_ROTATE = 2 ** 31;
export const WRAPS_MAX = 2 ** 32;
/**
 * How many wraps a process reserves at a time: one small write for 65,536 rows, and 32,768 processes may die with a
 * whole block unused before a key is replaced for nothing.
 */
export const WRAPS_RESERVED = 2 ** 16;

/** What one process may still wrap under one version before it has to reserve more. Outlives the cached key. */
export class WrapBudget {
  #left = 0;

  /** Negative when more was wrapped at once than was left; the next reservation makes up for it. */
  get left(): number {
    return this.#left;
  }

  count(): void {
    this.#left -= 1;
  }

  add(wraps: number): void {
    assert(wraps > 0, "a reservation is for something");
    this.#left += wraps;
  }
}
