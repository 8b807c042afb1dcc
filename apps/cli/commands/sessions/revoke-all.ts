import { z } from "zod";
import { segment } from "../../client.ts";
import type { Command } from "../../command.ts";
import { CONNECTION_OPTIONS, EXIT, JSON_OPTION } from "../../command.ts";
import { DRY_RUN_OPTION } from "../../confirmation/confirm.ts";
import { query, readAnswer, showRow } from "../answer.ts";

const Sessions = z.object({ items: z.array(z.object({ sid: z.string() })) });

export const revokeSessions: Command = {
  name: "sessions revoke-all",
  summary: "End all of one's own sessions, or somebody's, at once on every node",
  about:
    "One's own include the one of --credential, whose file is worthless then. It asks nothing: whoever sees a break-in has " +
    "to be quick.",
  options: {
    user: { value: "ID", summary: "The sessions of this user, for administrators" },
    ...DRY_RUN_OPTION,
    ...JSON_OPTION,
    ...CONNECTION_OPTIONS,
  },
  examples: [
    ["ringwall sessions revoke-all --url https://ringwall.example --credential key", "one's own, everywhere"],
    [
      "ringwall sessions revoke-all --user 0198c6f2-6d3f-7a10-9c55-5e8a2f0b7d11 --url https://ringwall.example --credential key",
      "somebody's, for administrators",
    ],
  ],
  async run(input, context) {
    const user = input.text("user");
    const client = context.connect(input);
    const whose = user === undefined ? {} : { user };
    if (input.flag("dry-run")) {
      const { items } = readAnswer(Sessions, await client.request("GET", `/v1/sessions${query(whose)}`));
      const facts = { ...whose, sessions: items.map(({ sid }) => sid), dry_run: true };
      showRow(input, context, facts, `would end ${items.length} sessions`);
      return EXIT.ok;
    }
    await client.request("DELETE", user === undefined ? "/v1/sessions" : `/v1/users/${segment(user)}/sessions`);
    showRow(input, context, { ...whose, ended: true }, `every session of ${user ?? "yours"} is ended`);
    return EXIT.ok;
  },
};
