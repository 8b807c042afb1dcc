import { z } from "zod";
import type { Command } from "../../command.ts";
import { CONNECTION_OPTIONS, EXIT, JSON_OPTION } from "../../command.ts";
import { namedTenant, readAnswer, showRow, TENANT_OPTION } from "../answer.ts";

const Version = z.object({ name: z.string(), version: z.number().int() });

export const rotateSecret: Command = {
  name: "secrets rotate",
  summary: "Rotate one secret now",
  about:
    "The server makes a new value, brings it to whatever uses it, and only then lets the old one go. " +
    "The value is never printed: a terminal keeps history.",
  positionals: [{ name: "NAME", summary: "The secret's name, such as bank/database-password" }],
  options: { ...TENANT_OPTION, ...JSON_OPTION, ...CONNECTION_OPTIONS },
  examples: [["ringwall secrets rotate bank/database-password", "a new database password, without a restart"]],
  async run(input, context) {
    const [name = ""] = input.positionals;
    const body = { name, ...namedTenant(input) };
    const answer = readAnswer(Version, await context.connect(input).request("POST", "/v1/secret-rotations", body));
    showRow(input, context, answer, `rotated ${answer.name} to version ${answer.version}`);
    return EXIT.ok;
  },
};
