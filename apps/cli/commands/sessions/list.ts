import { z } from "zod";
import type { Command } from "../../command.ts";
import { CONNECTION_OPTIONS, EXIT, JSON_OPTION } from "../../command.ts";
import { readAnswer, showRows, TENANT_OPTION, tenantQuery } from "../answer.ts";

const Sessions = z.object({
  items: z.array(z.object({ sid: z.string(), user: z.string(), created_at: z.string(), last_seen_at: z.string() })),
});

export const listSessions: Command = {
  name: "sessions list",
  summary: "List the live sessions of a tenant",
  options: {
    user: { value: "ID", summary: "Only this user's" },
    ...TENANT_OPTION,
    ...JSON_OPTION,
    ...CONNECTION_OPTIONS,
  },
  examples: [["ringwall sessions list --tenant northbank", "everybody who is signed in at northbank"]],
  async run(input, context) {
    const user = input.text("user");
    const query = tenantQuery(input, user === undefined ? {} : { user });
    const { items } = readAnswer(Sessions, await context.connect(input).request("GET", `/v1/sessions${query}`));
    showRows(input, context, items, ["sid", "user", "created_at", "last_seen_at"]);
    return EXIT.ok;
  },
};
