/**
 * One measured figure beside its peer's, both from the same run. `ratio` is ours divided by the peer's; whether more is
 * better follows from the unit (`req/s` is, time is not). `peerValue` is null for a peer that could not be measured,
 * with the reason in the note: an absent peer is never one that was beaten.
 */
export interface BenchResult {
  readonly bench: string;
  readonly unit: string;
  readonly ours: number;
  readonly peer: string;
  readonly peerValue: number | null;
  readonly ratio: number | null;
  readonly note: string;
}

/** What an area is told: how long each round lasts, how many rounds, and where to say how far it is. */
export interface BenchOptions {
  readonly seconds: number;
  readonly rounds: number;
  /** Aborted when the run must end: what was started is stopped, and nothing is reported. */
  readonly signal: AbortSignal;
  readonly progress: (text: string) => void;
}

/** One area of measurement. Yields its results at the end of its run. */
export interface BenchArea {
  readonly summary: string;
  run(options: BenchOptions): Promise<readonly BenchResult[]>;
}

const SIGNIFICANT_DIGITS = 4;

/** Four significant digits: more would claim a precision that a shared machine does not have. */
export function rounded(value: number): number {
  return Number(value.toPrecision(SIGNIFICANT_DIGITS));
}

/** Pairs one of our figures with a peer's; `undefined` stands for a peer that is absent. */
export function compare(
  bench: string,
  unit: string,
  ours: number,
  peer: string,
  peerValue: number | undefined,
  note = "",
): BenchResult {
  return {
    bench,
    unit,
    ours: rounded(ours),
    peer,
    peerValue: peerValue === undefined ? null : rounded(peerValue),
    ratio: peerValue === undefined || peerValue === 0 ? null : rounded(ours / peerValue),
    note,
  };
}

/** The middle value; the mean of the two middle ones for an even count. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((left, right) => left - right);
  const middle = sorted.length / 2;
  const low = sorted[Math.ceil(middle) - 1] ?? Number.NaN;
  const high = sorted[Math.floor(middle)] ?? Number.NaN;
  return (low + high) / 2;
}

/** A table for people: one row per result, columns as wide as their widest cell. */
export function resultTable(results: readonly BenchResult[]): string {
  const text = (value: number | null): string => (value === null ? "-" : String(value));
  const rows = [
    ["bench", "unit", "ours", "peer", "peer's", "ratio", "note"],
    ...results.map((row) => [
      row.bench,
      row.unit,
      text(row.ours),
      row.peer,
      text(row.peerValue),
      text(row.ratio),
      row.note,
    ]),
  ];
  const widths = rows[0]?.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0))) ?? [];
  return rows
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}
