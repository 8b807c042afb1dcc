import type { Command } from "../../command.ts";
import { EXIT } from "../../command.ts";
import {
  ABOUT_ANSWERS,
  completeSignIn,
  credentialDestination,
  ENTRANCE_OPTIONS,
  LINK_OPTION,
  readLink,
} from "../entrance/steps.ts";

export const redeemRecovery: Command = {
  name: "recoveries redeem",
  summary: "Come back with a recovery link: a new password, or a new second factor",
  about:
    "Asks for the link and a password: a new one for a lost password, the present one for a lost factor, which is then set " +
    `up anew. ${ABOUT_ANSWERS} Every session ends. The server is the one that the link names, unless --url names another.`,
  options: { ...LINK_OPTION, ...ENTRANCE_OPTIONS },
  examples: [
    ["ringwall recoveries redeem --credential key", "asks for everything"],
    ["ringwall recoveries redeem --link-file bo.txt --credential bo.key", "with the link from a file"],
  ],
  async run(input, context) {
    const destination = credentialDestination(input, context);
    const { origin, token } = await readLink(input, context);
    const client = context.connectAnonymously(input.text("url") ?? origin, input.text("ca"));
    const password = await context.ask("Password (a new one, or the present one for a lost factor): ", "hidden");
    const first = await client.request("POST", "/v1/recoveries", { token, password });
    await completeSignIn(input, context, client, first, destination);
    return EXIT.ok;
  },
};
