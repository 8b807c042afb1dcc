import type { Command } from "../../command.ts";
import { EXIT } from "../../command.ts";
import {
  ABOUT_ANSWERS,
  askNewPassword,
  completeSignIn,
  credentialDestination,
  ENTRANCE_OPTIONS,
  LINK_OPTION,
  readLink,
} from "../entrance/steps.ts";

export const acceptInvitation: Command = {
  name: "invitations accept",
  summary: "Join a tenant with the link of an invitation",
  about:
    "Asks for the link, a name, a new password and, for an administrator or owner, the first code of the second " +
    `factor. ${ABOUT_ANSWERS} The server is the one that the link names, unless --url names another.`,
  options: { ...LINK_OPTION, ...ENTRANCE_OPTIONS },
  examples: [
    ["ringwall invitations accept --credential key", "asks for everything"],
    ["ringwall invitations accept --link-file bo.txt --credential bo.key", "with the link from a file"],
  ],
  async run(input, context) {
    const destination = credentialDestination(input, context);
    const { origin, token } = await readLink(input, context);
    const client = context.connectAnonymously(input.text("url") ?? origin, input.text("ca"));
    const name = await context.ask("Name: ");
    const password = await askNewPassword(context);
    const first = await client.request("POST", "/v1/invitations/accept", { token, name, password });
    await completeSignIn(input, context, client, first, destination);
    return EXIT.ok;
  },
};
