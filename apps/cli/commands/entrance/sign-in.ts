import type { Command } from "../../command.ts";
import { EXIT } from "../../command.ts";
import { ABOUT_ANSWERS, completeSignIn, credentialDestination, ENTRANCE_OPTIONS } from "./steps.ts";

export const signIn: Command = {
  name: "sign-in",
  summary: "Sign in, and keep the session's credential in a file for other commands",
  about:
    `Asks for the tenant, the e-mail address, the password and, where there is a second factor, its code. ${ABOUT_ANSWERS} ` +
    "A role that needs a second factor sets it up here, once.",
  options: ENTRANCE_OPTIONS,
  examples: [
    ["ringwall sign-in --credential key", "on this machine's server; the platform's tenant is called platform"],
    ["ringwall sign-in --url https://ringwall.example --credential key", "elsewhere"],
  ],
  async run(input, context) {
    const destination = credentialDestination(input, context);
    const client = context.connectAnonymously(input.text("url"), input.text("ca"));
    const tenant = await context.ask("Tenant: ");
    const email = await context.ask("E-mail address: ");
    const password = await context.ask("Password: ", "hidden");
    const first = await client.request("POST", "/v1/sign-in", { tenant, email, password });
    await completeSignIn(input, context, client, first, destination);
    return EXIT.ok;
  },
};
