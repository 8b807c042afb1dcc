import type { MeasuredPart } from "ringwall/data/upkeep";
import type { Command } from "../../command.ts";
import { EXIT } from "../../command.ts";
import { showRows } from "../answer.ts";

const ROWS_MAX = 10_000_000;
const ROWS = 100_000;

export const showLeakage: Command = {
  name: "fields leakage",
  summary: "Measure what somebody with the database and no keys learns of a table's sealed columns",
  about:
    "Opens the rows with this installation's keys and holds their values against what the database shows: tags and " +
    "lengths. `guess` is how often always naming the most frequent value is right, `attack` how often frequency analysis " +
    "is for somebody who knows exactly how often each value occurs, `ceiling` the best that anybody could do with it. " +
    "Adds a policy to the table for the time it runs. No value is printed.",
  positionals: [{ name: "TABLE", summary: "The table, with its schema" }],
  options: {
    rows: { value: "N", summary: `Rows of each tenant to look at (${ROWS})` },
    config: { value: "FILE", summary: "Configuration file" },
    data: { value: "DIR", summary: "Data directory" },
    json: { summary: "Print JSON, for programs" },
  },
  examples: [["ringwall fields leakage bank.customer", "for every tenant, each attacked by itself"]],
  async run(input, context) {
    const table = input.positionals[0] ?? "";
    const rows = input.whole("rows", 1, ROWS_MAX) ?? ROWS;
    // Loaded here, so that other commands do not wait for a database driver.
    const [{ measureTable }, { withLocalOwner }] = await Promise.all([
      import("ringwall/data/upkeep"),
      import("./owner.ts"),
    ]);
    const report = await withLocalOwner(input, context, async ({ note, owner }) => {
      const measured = await measureTable(owner, table, rows);
      note("table.measured", table, { rows: measured.rows });
      return measured;
    });
    if (input.flag("json")) {
      context.stdout(JSON.stringify(report));
      return EXIT.ok;
    }
    showRows(input, context, report.parts.map(line), [
      "column",
      "seen_by",
      "rows",
      "nulls",
      "seen",
      "largest",
      "guess",
      "attack",
      "ceiling",
    ]);
    context.stdout(
      `${report.rows} rows of ${report.tenants} tenants; ${percent(report.alone)} of them look like no other row of their tenant`,
    );
    for (const { by, unique } of report.parts.filter((part) => part.unique && part.rows > 0)) {
      if (unique) context.stdout(`${by} is unique: stored in full, it tells for any two rows whether they are equal`);
    }
    return EXIT.ok;
  },
};

function line({ by, ceiling, frequency, guessing, largestBucket, nulls, of, rows, seen }: MeasuredPart) {
  return {
    column: of,
    seen_by: by,
    rows,
    nulls,
    seen,
    largest: largestBucket,
    guess: percent(guessing),
    attack: percent(frequency),
    ceiling: percent(ceiling),
  };
}

function percent(share: number): string {
  return `${(share * 100).toFixed(1)} %`;
}
