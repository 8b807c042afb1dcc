import type { Command } from "../command.ts";
import { EXIT } from "../command.ts";
import { findLocalTarget } from "./local-target.ts";

export const migrateCommand: Command = {
  name: "migrate",
  summary: "Bring the database schema up to this version",
  about:
    "Connects as ringwall_migrate, whose password servers do not have. Runs under an advisory lock, so that two at once " +
    "are one after the other. An embedded PostgreSQL is migrated by every ringwall start.",
  options: {
    config: { value: "FILE", summary: "Configuration file" },
    data: { value: "DIR", summary: "Data directory" },
    json: { summary: "Print JSON, for programs" },
  },
  examples: [["ringwall migrate --config /etc/ringwall/ringwall.config.json", "before a new version's servers start"]],
  async run(input, context) {
    const target = await findLocalTarget(input, context.machine, "ringwall_migrate");
    // Loaded here, because no other command needs them.
    const { asOwner } = await import("./owner-connection.ts");
    const { migrate } = await import("ringwall/migrations");
    const applied = await asOwner(target, migrate);
    if (input.flag("json")) context.stdout(JSON.stringify({ applied }));
    else for (const name of applied) context.stdout(`applied ${name}`);
    if (applied.length === 0 && !input.flag("json")) context.stdout("nothing to do: the schema is up to date");
    return EXIT.ok;
  },
};
