import type { Command } from "../../command.ts";
import { EXIT } from "../../command.ts";
import { showRow } from "../answer.ts";

export const retagTableCommand: Command = {
  name: "fields retag",
  summary: "Make the tags of a table's blind indexes anew where they are missing or old",
  about:
    "After the tenants' index keys were rotated, or an index was added or changed. Searches find old and new tags " +
    "meanwhile. Rows that have theirs are left alone, so an interrupted run is gone on with.",
  positionals: [{ name: "TABLE", summary: "The table, with its schema" }],
  options: {
    config: { value: "FILE", summary: "Configuration file" },
    data: { value: "DIR", summary: "Data directory" },
    json: { summary: "Print JSON, for programs" },
  },
  examples: [["ringwall fields retag bank.customer", "every tenant's rows"]],
  async run(input, context) {
    const table = input.positionals[0] ?? "";
    // Loaded here, so that other commands do not wait for a database driver.
    const [{ retagTable }, { withLocalOwner }] = await Promise.all([
      import("ringwall/data/upkeep"),
      import("./owner.ts"),
    ]);
    const tagged = await withLocalOwner(input, context, async ({ note, owner }) => {
      const rows = await retagTable(owner, table, (tenant, done) => context.stderr(`${tenant} ${String(done)}`));
      note("table.tagged", table, { rows });
      return rows;
    });
    showRow(input, context, { table, tagged }, `${table}: ${String(tagged)} rows tagged anew`);
    return EXIT.ok;
  },
};
