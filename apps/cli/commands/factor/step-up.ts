import type { Command } from "../../command.ts";
import { CONNECTION_OPTIONS, EXIT, JSON_OPTION } from "../../command.ts";
import { giveSessionCode, heldCredential } from "./session-factor.ts";

export const stepUp: Command = {
  name: "step-up",
  summary: "Give a fresh second factor, for what asks for one",
  about:
    "Asks for the code of the authenticator. The session is replaced, and the credential file with it. Most changes want a " +
    "factor that is not older than 15 minutes, and erasing one of 5.",
  options: { ...JSON_OPTION, ...CONNECTION_OPTIONS },
  examples: [["ringwall step-up --url https://ringwall.example --credential key", "then the command that was refused"]],
  async run(input, context) {
    const file = heldCredential(input, context);
    await giveSessionCode(input, context, "/v1/session/step-up", file);
    return EXIT.ok;
  },
};
