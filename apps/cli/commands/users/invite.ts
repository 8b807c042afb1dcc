import { z } from "zod";
import type { Command } from "../../command.ts";
import { CONNECTION_OPTIONS, EXIT, JSON_OPTION, UsageError } from "../../command.ts";
import { readAnswer, TENANT_OPTION } from "../answer.ts";
import { deliverLink, LINK_FILE_OPTION, Link, linkDestination } from "../link.ts";

const ROLES = ["viewer", "editor", "admin", "owner"] as const;
const Invitation = Link.extend({ id: z.string() });

export const inviteUser: Command = {
  name: "users invite",
  summary: "Invite a person into a tenant, and show the link once",
  about:
    "The link lets its holder choose a password, so it goes to your terminal or into a file that only you can read.",
  positionals: [{ name: "EMAIL", summary: "The person's e-mail address" }],
  options: {
    ...TENANT_OPTION,
    role: { value: "ROLE", summary: `One of ${ROLES.join(", ")} (required)` },
    ...LINK_FILE_OPTION,
    ...JSON_OPTION,
    ...CONNECTION_OPTIONS,
  },
  examples: [
    ["ringwall users invite ada@northbank.example --tenant northbank --role owner", "a tenant's first owner"],
    [
      "ringwall users invite bo@northbank.example --tenant northbank --role viewer --link-file bo.txt",
      "the link into a file",
    ],
  ],
  async run(input, context) {
    const [email = ""] = input.positionals;
    const role = ROLES.find((known) => known === input.text("role"));
    if (role === undefined) throw new UsageError(`--role must be one of ${ROLES.join(", ")}`);
    const tenant = input.text("tenant");
    const body = { email, role, ...(tenant === undefined ? {} : { tenant }) };
    const destination = linkDestination(input, context);
    const invitation = readAnswer(Invitation, await context.connect(input).request("POST", "/v1/invitations", body));
    deliverLink(input, context, invitation, destination, { id: invitation.id });
    return EXIT.ok;
  },
};
