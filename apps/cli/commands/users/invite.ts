import { segment } from "../../client.ts";
import type { Command } from "../../command.ts";
import { CONNECTION_OPTIONS, EXIT, JSON_OPTION, UsageError } from "../../command.ts";
import { namedTenant, readAnswer } from "../answer.ts";
import { deliverLink, LINK_FILE_OPTION, Link, linkDestination } from "../link.ts";
import { ROLES } from "./people.ts";

export const inviteUser: Command = {
  name: "users invite",
  summary: "Invite a person into a tenant, and show the link once",
  about:
    "The link lets its holder choose a password, so it goes to your terminal or into a file that only you can read.",
  positionals: [{ name: "EMAIL", summary: "The person's e-mail address" }],
  options: {
    tenant: {
      value: "ID",
      summary: "The tenant, over the local socket and for a first owner; else the credential's own",
    },
    role: { value: "ROLE", summary: `One of ${ROLES.join(", ")} (required)` },
    ...LINK_FILE_OPTION,
    ...JSON_OPTION,
    ...CONNECTION_OPTIONS,
  },
  examples: [
    ["ringwall users invite ada@northbank.example --tenant northbank --role owner", "a tenant's first owner"],
    [
      "ringwall users invite cy@northbank.example --tenant northbank --role editor",
      "on this machine, anybody but an owner",
    ],
    [
      "ringwall users invite bo@northbank.example --role viewer --link-file bo.txt --url https://ringwall.example --credential key",
      "into one's own tenant, the link into a file",
    ],
  ],
  async run(input, context) {
    const [email = ""] = input.positionals;
    const role = ROLES.find((known) => known === input.text("role"));
    if (role === undefined) throw new UsageError(`--role must be one of ${ROLES.join(", ")}`);
    const tenant = input.text("tenant");
    const destination = linkDestination(input, context);
    const client = context.connect(input);
    const link =
      tenant !== undefined && role === "owner"
        ? await client.request("POST", `/v1/tenants/${segment(tenant)}/owner-invitations`, { email })
        : await client.request("POST", "/v1/invitations", { email, role, ...namedTenant(input) });
    deliverLink(input, context, readAnswer(Link, link), destination);
    return EXIT.ok;
  },
};
