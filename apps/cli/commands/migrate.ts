import type { Command, Context, Input } from "../command.ts";
import { CommandFailed, EXIT } from "../command.ts";
import { findConfigFile, readConfigFile } from "../config-file.ts";
import { dataDirectory, dataPaths } from "../data-directory.ts";
import { migrateTarget } from "./migrate-target.ts";

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
    const target = await findTarget(input, context);
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

async function findTarget(input: Input, { machine }: Context): Promise<NonNullable<ReturnType<typeof migrateTarget>>> {
  const paths = dataPaths(dataDirectory(input.text("data"), machine));
  const file = findConfigFile(input.text("config"), paths.root, machine);
  if (file === undefined) {
    throw new CommandFailed("there is no configuration file", {
      wayOut: "ringwall init writes one, or name it: --config FILE",
    });
  }
  const target = migrateTarget(await readConfigFile(file, machine.uid), paths, machine.uid);
  if (target !== undefined) return target;
  throw new CommandFailed("the embedded PostgreSQL does not run", { wayOut: "ringwall start starts and migrates it." });
}
