import type { AdoptionRequest } from "ringwall/data/upkeep";
import type { Command, Input } from "../../command.ts";
import { EXIT, UsageError } from "../../command.ts";

const NORMALISERS = ["exact", "text", "id", "digits"] as const;
const ROWS_MAX = 2 ** 40;

export const adoptColumn: Command = {
  name: "fields adopt",
  summary: "Move a column of plaintext into a sealed one, step by step",
  about:
    "Adds a sealed twin, keeps it right while the application still writes plaintext, fills it, and compares every row. " +
    "With --cut-over, when every node of the application writes the twin, the twin becomes the truth and plaintext is " +
    "refused; with --drop the plaintext is emptied and its column dropped. Every step can be interrupted and run again, " +
    "and --undo goes one step back. Backups made before keep the plaintext.",
  options: {
    table: { value: "NAME", summary: "The table, with its schema" },
    column: { value: "NAME", summary: "The column of plaintext" },
    twin: { value: "NAME", summary: "The sealed column (COLUMN_sealed)" },
    equality: { value: "HOW", summary: `Can be found by equality: ${NORMALISERS.join(", ")}` },
    "last-four": { summary: "Can be found by its last four digits" },
    rows: { value: "N", summary: "Expected rows of one tenant; needed to plan an index" },
    bits: { value: "N", summary: "Bits of the equality index's tags, instead of the planner's choice" },
    padded: { value: "N", summary: "Hide lengths, from N bytes: a power of two from 16" },
    "cut-over": { summary: "Make the twin the truth" },
    drop: { summary: "Drop the plaintext, after cutting over" },
    undo: { summary: "Go one step back" },
    "dry-run": { summary: "Say what would be done, and do nothing" },
    config: { value: "FILE", summary: "Configuration file" },
    data: { value: "DIR", summary: "Data directory" },
    json: { summary: "Print JSON, for programs" },
  },
  examples: [
    ["ringwall fields adopt --table shop.customer --column ssn --equality digits --rows 50000", "fill and compare"],
    ["ringwall fields adopt --table shop.customer --column ssn --cut-over", "when every node writes both"],
    ["ringwall fields adopt --table shop.customer --column ssn --drop", "when no node reads plaintext any more"],
  ],
  async run(input, context) {
    const request = readRequest(input);
    const modes = ["cut-over", "drop", "undo", "dry-run"].filter((name) => input.flag(name));
    if (modes.length > 1) throw new UsageError(`--${modes.join(" and --")} do not go together`);
    // Loaded here, so that other commands do not wait for a database driver.
    const { adoptLocally } = await import("./adoption.ts");
    await adoptLocally(input, context, request);
    return EXIT.ok;
  },
};

function readRequest(input: Input): AdoptionRequest {
  const [table, column] = [input.text("table"), input.text("column")];
  if (table === undefined || column === undefined) throw new UsageError("--table and --column are needed");
  const [twin, equality] = [input.text("twin"), input.text("equality")];
  const normaliser = NORMALISERS.find((name) => name === equality);
  if (equality !== undefined && normaliser === undefined) {
    throw new UsageError(`--equality is one of ${NORMALISERS.join(", ")}`);
  }
  const [rows, bits] = [input.whole("rows", 1, ROWS_MAX), input.whole("bits", 1, 128)];
  const padded = input.whole("padded", 16, 65_536);
  return {
    table,
    column,
    ...(twin === undefined ? {} : { twin }),
    ...(normaliser === undefined ? {} : { equality: normaliser }),
    ...(input.flag("last-four") ? { lastFour: true } : {}),
    ...(rows === undefined ? {} : { rows }),
    ...(bits === undefined ? {} : { bits }),
    ...(padded === undefined ? {} : { padded }),
  };
}
