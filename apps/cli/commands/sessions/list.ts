import { z } from "zod";
import type { Command } from "../../command.ts";
import { CONNECTION_OPTIONS, EXIT, JSON_OPTION } from "../../command.ts";
import { namedTenant, query, readAnswer, showRows, TENANT_OPTION } from "../answer.ts";

const Sessions = z.object({
  items: z.array(z.object({ sid: z.string(), user: z.string(), created_at: z.string(), last_seen_at: z.string() })),
});

export const listSessions: Command = {
  name: "sessions list",
  summary: "List live sessions: one's own, a user's, or over the local socket a tenant's",
  about: "Over the local socket the tenant has to be named, and its audit shows that its sessions were listed.",
  options: {
    user: { value: "ID", summary: "The sessions of this user, for administrators" },
    ...TENANT_OPTION,
    ...JSON_OPTION,
    ...CONNECTION_OPTIONS,
  },
  examples: [
    [
      "ringwall sessions list --url https://ringwall.example --credential key",
      "where the holder of the key is signed in",
    ],
    ["ringwall sessions list --tenant northbank", "on this machine: everybody of a tenant"],
  ],
  async run(input, context) {
    const user = input.text("user");
    const wanted = { ...namedTenant(input), ...(user === undefined ? {} : { user }) };
    const answer = await context.connect(input).request("GET", `/v1/sessions${query(wanted)}`);
    const { items } = readAnswer(Sessions, answer);
    showRows(input, context, items, ["sid", "user", "created_at", "last_seen_at"]);
    return EXIT.ok;
  },
};
