import { z } from "zod";
import type { Command } from "../../command.ts";
import { CONNECTION_OPTIONS, EXIT, JSON_OPTION } from "../../command.ts";
import { query, readAnswer, showRow, showRows } from "../answer.ts";
import { ABOUT_PEOPLE } from "../users/people.ts";

const Invitation = z.object({ email: z.string(), role: z.string(), created_at: z.string(), expires_at: z.string() });
type Invitation = z.output<typeof Invitation>;
const Invitations = z.object({ items: z.array(Invitation) });
// As many as the server gives at once: fewer are the last.
const PAGE = 200;

export const listInvitations: Command = {
  name: "invitations list",
  summary: "List the invitations into one's own tenant that nobody has taken yet",
  about: `${ABOUT_PEOPLE} Links are not shown: users invite makes a new one.`,
  options: { ...JSON_OPTION, ...CONNECTION_OPTIONS },
  examples: [["ringwall invitations list --url https://ringwall.example --credential key", "who is waited for"]],
  async run(input, context) {
    const client = context.connect(input);
    const all: Invitation[] = [];
    for (;;) {
      const after = all.at(-1)?.email;
      const path = `/v1/invitations${query(after === undefined ? {} : { after })}`;
      const page = readAnswer(Invitations, await client.request("GET", path)).items;
      all.push(...page);
      if (page.length < PAGE) break;
    }
    showRows(input, context, all, ["email", "role", "created_at", "expires_at"]);
    return EXIT.ok;
  },
};

export const withdrawInvitation: Command = {
  name: "invitations withdraw",
  summary: "Take an invitation back: its link is worth nothing from then on",
  about: ABOUT_PEOPLE,
  positionals: [{ name: "EMAIL", summary: "The address that was invited" }],
  options: { ...JSON_OPTION, ...CONNECTION_OPTIONS },
  examples: [
    [
      "ringwall invitations withdraw ann@northbank.example --url https://ringwall.example --credential key",
      "before it is taken",
    ],
  ],
  async run(input, context) {
    const [email = ""] = input.positionals;
    await context.connect(input).request("POST", "/v1/invitations/withdraw", { email });
    showRow(input, context, { email, withdrawn: true }, `the invitation of ${email} is taken back`);
    return EXIT.ok;
  },
};
