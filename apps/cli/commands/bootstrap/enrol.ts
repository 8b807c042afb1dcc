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
  requireFactorDestination,
} from "../entrance/steps.ts";

export const enrolAdministrator: Command = {
  name: "bootstrap enrol",
  summary: "Become the platform's first administrator, with the link that start shows",
  about:
    `Asks for the link, the e-mail address, a name, a new password and the first code of the second factor. ${ABOUT_ANSWERS} ` +
    "The server is the one that the link names, unless --url names another.",
  options: { ...LINK_OPTION, ...ENTRANCE_OPTIONS },
  examples: [
    ["ringwall bootstrap enrol --credential key", "asks for everything"],
    [
      "ringwall bootstrap enrol --link-file link.txt --credential key",
      "after: ringwall bootstrap reissue --link-file link.txt",
    ],
  ],
  async run(input, context) {
    const destination = credentialDestination(input, context);
    // Before the link is used up: an administrator always needs one.
    requireFactorDestination(input, context);
    const { origin, token } = await readLink(input, context);
    const client = context.connectAnonymously(input.text("url") ?? origin, input.text("ca"));
    const email = await context.ask("E-mail address: ");
    const name = await context.ask("Name: ");
    const password = await askNewPassword(context);
    const first = await client.request("POST", "/v1/bootstrap", { token, email, name, password });
    await completeSignIn(input, context, client, first, destination);
    return EXIT.ok;
  },
};
