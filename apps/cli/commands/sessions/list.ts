import { z } from "zod";
import type { Command } from "../../command.ts";
import { CONNECTION_OPTIONS, EXIT, JSON_OPTION } from "../../command.ts";
import { readAnswer, showRows } from "../answer.ts";

const Sessions = z.object({
  items: z.array(z.object({ sid: z.string(), user: z.string(), created_at: z.string(), last_seen_at: z.string() })),
});

export const listSessions: Command = {
  name: "sessions list",
  summary: "List the live sessions of the credential's holder",
  options: {
    ...JSON_OPTION,
    ...CONNECTION_OPTIONS,
  },
  examples: [
    [
      "ringwall sessions list --url https://ringwall.example --credential key",
      "where the holder of the key is signed in",
    ],
  ],
  async run(input, context) {
    const { items } = readAnswer(Sessions, await context.connect(input).request("GET", "/v1/sessions"));
    showRows(input, context, items, ["sid", "user", "created_at", "last_seen_at"]);
    return EXIT.ok;
  },
};
