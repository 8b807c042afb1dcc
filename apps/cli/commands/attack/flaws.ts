/** One flaw of the founding document's sample code, in our words, and what holds that it is not in Ringwall. */
export interface Flaw {
  readonly title: string;
  /** Tests that hold it where HTTP does not reach, each a file below the repository's root. */
  readonly tests?: readonly string[];
  /** Why nothing can hold it yet: the part it would be in is not built. */
  readonly notYet?: string;
}

export const FLAWS: Readonly<Record<number, Flaw>> = {};
