import { z } from "zod";
import type { Command } from "../../command.ts";
import { CONNECTION_OPTIONS, EXIT, JSON_OPTION } from "../../command.ts";
import { namedTenant, query, readAnswer, showRows, TENANT_OPTION } from "../answer.ts";

const Secrets = z.object({
  items: z.array(z.object({ name: z.string(), version: z.number().int(), created_at: z.string() })),
});

export const listSecrets: Command = {
  name: "secrets list",
  summary: "List the names and versions of secrets, never their values",
  options: { ...TENANT_OPTION, ...JSON_OPTION, ...CONNECTION_OPTIONS },
  examples: [
    ["ringwall secrets list", "the platform's secrets"],
    ["ringwall secrets list --tenant northbank --json", "one tenant's, for a program"],
  ],
  async run(input, context) {
    const answer = await context.connect(input).request("GET", `/v1/secrets${query(namedTenant(input))}`);
    const { items } = readAnswer(Secrets, answer);
    showRows(input, context, items, ["name", "version", "created_at"]);
    return EXIT.ok;
  },
};
