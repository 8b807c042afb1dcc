import { z } from "zod";
import type { Command } from "../../command.ts";
import { CONNECTION_OPTIONS, EXIT, JSON_OPTION } from "../../command.ts";
import { readAnswer, showRow } from "../answer.ts";

const Session = z.object({ tenant: z.string(), user: z.string(), role: z.string(), aal: z.number(), sid: z.string() });

export const showSession: Command = {
  name: "sessions show",
  summary: "Say whose session a credential file holds, and what it may",
  options: { ...JSON_OPTION, ...CONNECTION_OPTIONS },
  examples: [["ringwall sessions show --url https://ringwall.example --credential key", "tenant, user and role"]],
  async run(input, context) {
    const session = readAnswer(Session, await context.connect(input).request("GET", "/v1/session"));
    const { aal, role, sid, tenant, user } = session;
    const level = aal === 2 ? "with a second factor" : "with a password alone";
    showRow(input, context, session, `${role} of ${tenant}, user ${user}, ${level}; session ${sid}`);
    return EXIT.ok;
  },
};
