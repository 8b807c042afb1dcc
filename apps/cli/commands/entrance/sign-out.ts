import { rmSync } from "node:fs";
import { resolve } from "node:path";
import type { Command } from "../../command.ts";
import { CONNECTION_OPTIONS, CommandFailed, EXIT, JSON_OPTION, UsageError } from "../../command.ts";
import { showRow } from "../answer.ts";

export const signOut: Command = {
  name: "sign-out",
  summary: "End the session of a credential file, and remove the file",
  options: { ...JSON_OPTION, ...CONNECTION_OPTIONS },
  examples: [["ringwall sign-out --url http://localhost:7400 --credential key", "the credential is worthless then"]],
  async run(input, context) {
    const file = input.text("credential");
    if (file === undefined) throw new UsageError("--credential FILE is missing: it says which session ends");
    try {
      await context.connect(input).request("DELETE", "/v1/session");
    } catch (error) {
      // A session that is over already is what was wanted.
      if (!(error instanceof CommandFailed) || error.code !== "identity.sign_in_required") throw error;
    }
    const path = resolve(context.machine.cwd, file);
    rmSync(path, { force: true });
    showRow(input, context, { removed: path }, `signed out; ${path} is removed`);
    return EXIT.ok;
  },
};
