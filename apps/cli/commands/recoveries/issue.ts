import { segment } from "../../client.ts";
import type { Command } from "../../command.ts";
import { CONNECTION_OPTIONS, EXIT, JSON_OPTION, UsageError } from "../../command.ts";
import { readAnswer } from "../answer.ts";
import { deliverLink, LINK_FILE_OPTION, Link, linkDestination } from "../link.ts";
import { ABOUT_PEOPLE } from "../users/people.ts";

const KINDS = ["password", "factor"] as const;

export const issueRecovery: Command = {
  name: "recoveries issue",
  summary: "Make a link for somebody who lost a password or a second factor, and show it once",
  about: `${ABOUT_PEOPLE} Whoever has the link and, for a lost factor, the password is that person: make sure who asks.`,
  positionals: [{ name: "ID", summary: "The person's id, as users list shows it" }],
  options: {
    kind: { value: "WHAT", summary: `What was lost: ${KINDS.join(" or ")} (required)` },
    ...LINK_FILE_OPTION,
    ...JSON_OPTION,
    ...CONNECTION_OPTIONS,
  },
  examples: [
    [
      "ringwall recoveries issue 0198c6f2-6d3f-7a10-9c55-5e8a2f0b7d11 --kind password --url https://ringwall.example --credential key",
      "then: ringwall recoveries redeem, by that person",
    ],
  ],
  async run(input, context) {
    const [id = ""] = input.positionals;
    const kind = KINDS.find((known) => known === input.text("kind"));
    if (kind === undefined) throw new UsageError(`--kind must be ${KINDS.join(" or ")}`);
    const destination = linkDestination(input, context);
    const link = await context.connect(input).request("POST", `/v1/users/${segment(id)}/recoveries`, { kind });
    deliverLink(input, context, readAnswer(Link, link), destination);
    return EXIT.ok;
  },
};
