import { assert, RingwallError } from "../../core/index.ts";
import { TAG_BITS_FULL } from "./tag.ts";

/** Below this many rows an index saves nothing that reading all of them would cost, and every tag says too much. */
export const INDEXED_ROWS_MIN = 16;
const ROWS_MAX = 2 ** 40;
/** A guess for texts about which nothing is said: more different values than rows. */
const VALUE_BITS_UNKNOWN = TAG_BITS_FULL;
// Sums of logarithms are not exact; a plan on the very edge is within the rule.
const EDGE = 1e-9;

/** An index as its column asks for it. */
export interface PlannedInput {
  readonly name: string;
  /** How many values there can be, as a power of two: 13.3 for the last four digits of a number. */
  readonly valueBits?: number;
  /** Takes this length instead of one of the planner's choice; refused where it is unsafe. */
  readonly bits?: number;
  /** Stored in full, so that the database can hold uniqueness. Tells for any two rows whether they are equal. */
  readonly unique?: boolean;
}

/** One index of a plan. */
export interface PlannedIndex {
  readonly name: string;
  readonly bits: number;
  readonly unique: boolean;
}

/** How the indexes of a row are cut, and what that means. */
export interface IndexPlan {
  readonly indexes: readonly PlannedIndex[];
  /** Expected rows that share all tags of one row, over all indexes that are not unique. */
  readonly coincidences: number;
  /** What a person should know before using the plan. */
  readonly warnings: readonly string[];
}

/**
 * Chooses how many bits of each tag are stored, by the rule of CipherSweet: with R rows of one tenant and the indexes of
 * lengths L over values of K bits, a row's tags fit C = R / 2^(sum of min(L, K)) rows. With C below 2 a set of tags names
 * one row; above the square root of R a search opens more rows than it saves.
 *
 * All indexes of a row are planned together, because whoever reads the table reads them together.
 *
 * @param rows - Expected rows of one tenant. Keys are per tenant, so tenants do not hide each other.
 * @throws RingwallError `config.invalid` for fewer than 16 rows and for lengths that leave fewer than two coincidences.
 */
export function planIndexes(rows: number, inputs: readonly PlannedInput[]): IndexPlan {
  assert(Number.isFinite(rows) && rows > 0 && rows <= ROWS_MAX, "a plan is for a number of rows");
  assert(new Set(inputs.map(({ name }) => name)).size === inputs.length, "indexes of a row have different names");
  if (inputs.length === 0) return { indexes: [], coincidences: rows, warnings: [] };
  if (rows < INDEXED_ROWS_MIN) {
    throw refused(
      `a table of fewer than ${INDEXED_ROWS_MIN} rows for each tenant has no safe blind index: read its rows`,
    );
  }
  const shared = inputs.filter(({ unique }) => unique !== true);
  const budget = Math.log2(rows) - 1;
  const lengths = new Map(shareOut(budget, shared).map(({ name, bits }) => [name, bits]));
  const used = shared.reduce((sum, input) => sum + Math.min(lengths.get(input.name) ?? 0, valueBitsOf(input)), 0);
  const coincidences = rows / 2 ** used;
  if (used > budget + EDGE) {
    throw refused(
      `the indexes ${shared.map(({ name }) => name).join(", ")} together leave ${coincidences.toFixed(2)} coincidences ` +
        `in ${rows} rows, and 2 is the least: shorten or remove one`,
    );
  }
  const indexes = inputs.map(({ name, unique }) => ({
    name,
    bits: unique === true ? TAG_BITS_FULL : (lengths.get(name) ?? 0),
    unique: unique === true,
  }));
  return { indexes, coincidences, warnings: warningsOf(rows, coincidences, inputs, shared.length) };
}

/**
 * Whole bits for each index: those that are given stay, those with few values need no more than these, and what is left
 * goes round evenly. Deterministic, because the stored tags hang on it.
 */
function shareOut(budget: number, inputs: readonly PlannedInput[]): { name: string; bits: number }[] {
  const fixed = inputs.filter(({ bits }) => bits !== undefined);
  let left = budget - fixed.reduce((sum, input) => sum + Math.min(input.bits ?? 0, valueBitsOf(input)), 0);
  const open = inputs.filter(({ bits }) => bits === undefined).toSorted((a, b) => valueBitsOf(a) - valueBitsOf(b));
  const planned = fixed.map(({ name, bits = 0 }) => {
    assert(Number.isSafeInteger(bits) && bits >= 1 && bits <= TAG_BITS_FULL, "an index has 1 to 128 bits");
    return { name, bits };
  });
  open.forEach((input, place) => {
    const share = left / (open.length - place);
    const bits = Math.floor(Math.min(share, valueBitsOf(input)) + EDGE);
    if (bits < 1) {
      throw refused(`there are too many indexes for this many rows: nothing is left for ${input.name}`);
    }
    planned.push({ name: input.name, bits });
    left -= bits;
  });
  return planned;
}

function valueBitsOf({ valueBits = VALUE_BITS_UNKNOWN }: PlannedInput): number {
  assert(valueBits > 0 && valueBits <= 1_024, "an index is over some number of values");
  return valueBits;
}

function warningsOf(
  rows: number,
  coincidences: number,
  inputs: readonly PlannedInput[],
  shared: number,
): readonly string[] {
  const warnings = inputs
    .filter(({ unique }) => unique === true)
    .map(({ name }) => `${name} is stored in full: equal values are seen to be equal, and how often each occurs`);
  if (shared > 0 && coincidences > Math.sqrt(rows) * (1 + EDGE)) {
    warnings.push(
      `a search finds about ${Math.round(coincidences)} rows to open and re-check, more than the square root of ${rows}`,
    );
  }
  return warnings;
}

function refused(message: string): RingwallError {
  return new RingwallError("config.invalid", { message });
}
