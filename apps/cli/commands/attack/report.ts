import { printable } from "../../client.ts";
import type { Context } from "../../command.ts";
import type { Attack } from "./attack.ts";
import type { Row } from "./run.ts";

/** What a run came to. */
export interface Summary {
  readonly attacks: number;
  /** Entries of the founding document's list of flaws that were replayed. */
  readonly flaws: number;
  readonly stopped: number;
  readonly succeeded: number;
  readonly invalid: number;
  readonly error: number;
  readonly seconds: number;
}

export function summarise(rows: readonly Row[], ms: number): Summary {
  const count = (verdict: Row["verdict"]): number => rows.filter((row) => row.verdict === verdict).length;
  return {
    attacks: rows.length,
    flaws: new Set(rows.flatMap((row) => row.flaws)).size,
    stopped: count("stopped"),
    succeeded: count("succeeded"),
    invalid: count("invalid"),
    error: count("error"),
    seconds: Math.round(ms / 1_000),
  };
}

/** The table, then what is not as it should be, then the sentence that says it all. */
export function printReport(
  context: Context,
  rows: readonly Row[],
  summary: Summary,
  suspended: readonly string[],
): void {
  const table = [
    ["attack", "flaws", "layer", "expected", "got", "verdict"],
    ...rows.map((row) => [
      row.id,
      row.flaws.join(",") || "-",
      String(row.layer),
      row.expected,
      row.got,
      row.verdict.toUpperCase(),
    ]),
  ];
  printTable(context, table);
  const bad = rows.filter((row) => row.verdict !== "stopped");
  if (bad.length > 0) context.stdout("");
  for (const row of bad) context.stdout(printable(`${row.verdict.toUpperCase()} ${row.id}: ${row.title}. ${row.note}`));
  const { attacks, error, flaws, invalid, seconds, stopped, succeeded } = summary;
  context.stdout("");
  context.stdout(
    `${attacks} attacks over ${flaws} flaws in ${seconds} s: ` +
      `${stopped} stopped, ${succeeded} succeeded, ${invalid} invalid, ${error} errors`,
  );
  context.stdout(`throwaway tenants, now suspended: ${suspended.join(", ")}`);
}

/** `--list`: what would be tried. */
export function printList(context: Context, attacks: readonly Attack[]): void {
  const rows = attacks.map(({ expected, flaws, id, layer, target, title }) => {
    const answer = expected.code === "-" ? String(expected.status) : `${expected.status} ${expected.code}`;
    return [id, flaws.join(",") || "-", String(layer), target, answer, title];
  });
  printTable(context, [["attack", "flaws", "layer", "target", "expected", "what is tried"], ...rows]);
}

function printTable(context: Context, table: readonly (readonly string[])[]): void {
  const widths = (table[0] ?? []).map((_, index) => Math.max(...table.map((line) => line[index]?.length ?? 0)));
  for (const line of table) {
    const cells = line.map((cell, index) => printable(cell).padEnd(widths[index] ?? 0));
    context.stdout(cells.join("  ").trimEnd());
  }
}
