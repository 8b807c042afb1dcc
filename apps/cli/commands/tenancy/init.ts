import { writeFile } from "node:fs/promises";
import { type Command, CommandFailed, EXIT } from "../../command.ts";
import { errorCode } from "../../private-file.ts";
import { DATABASE_OPTIONS } from "./database.ts";
import { filePath, SETTINGS_OPTION } from "./settings.ts";

export const initTenancy: Command = {
  name: "tenancy init",
  summary: "Write the settings of the isolation verifier by looking at a database",
  about:
    "Guesses which columns say whose a row is, which logins serve requests and who owns the tables. A guess is a start: " +
    "read the file, and say of each table without a tenant whose it is. Overwrites nothing.",
  options: { ...DATABASE_OPTIONS, ...SETTINGS_OPTION },
  examples: [
    ["ringwall tenancy init --url postgres://owner@127.0.0.1:5432/shop --password-file owner.password", "tenancy.json"],
  ],
  async run(input, context) {
    const [{ findDatabase, withSession }, { guessSettings, readCatalog }] = await Promise.all([
      import("./database.ts"),
      import("ringwall/data/isolation"),
    ]);
    const file = filePath(context.machine, input.text("settings") ?? "tenancy.json");
    const target = await findDatabase(input, context.machine);
    const { notes, settings } = await withSession(target, {}, async (session) =>
      guessSettings(await readCatalog(session)),
    );
    try {
      await writeFile(file, `${JSON.stringify(settings, null, 2)}\n`, { flag: "wx" });
    } catch (error) {
      const code = errorCode(error);
      throw new CommandFailed(`${file} cannot be written (${code})`, {
        wayOut: code === "EEXIST" ? "It is there already: name another with --settings." : "Look at its folder.",
        cause: error,
      });
    }
    for (const note of notes) context.stderr(note);
    context.stdout(file);
    return EXIT.ok;
  },
};
