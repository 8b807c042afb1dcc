import { z } from "zod";
import type { Command } from "../../command.ts";
import { CONNECTION_OPTIONS, EXIT, JSON_OPTION } from "../../command.ts";
import { readAnswer } from "../answer.ts";
import { deliverFactor, ENTRANCE_OPTIONS, requireFactorDestination } from "../entrance/steps.ts";
import { giveSessionCode, heldCredential } from "./session-factor.ts";

const Enrolment = z.object({ uri: z.string(), secret: z.string() });

export const enrolFactor: Command = {
  name: "factor enrol",
  summary: "Set up a second factor, or another one in its place",
  about:
    "Asks for the password and for the first code of the new factor. The session is replaced, and the credential file " +
    "with it; where there is a factor already, step-up comes first.",
  options: { "factor-file": ENTRANCE_OPTIONS["factor-file"], ...JSON_OPTION, ...CONNECTION_OPTIONS },
  examples: [
    ["ringwall factor enrol --url https://ringwall.example --credential key", "shows the new factor's address"],
    [
      "ringwall factor enrol --factor-file new.totp --url https://ringwall.example --credential key",
      "writes it into a file",
    ],
  ],
  async run(input, context) {
    const file = heldCredential(input, context);
    requireFactorDestination(input, context);
    const password = await context.ask("Password: ", "hidden");
    const enrolment = await context.connect(input).request("POST", "/v1/session/enrolment", { password });
    deliverFactor(input, context, readAnswer(Enrolment, enrolment));
    await giveSessionCode(input, context, "/v1/session/enrolment/confirm", file);
    return EXIT.ok;
  },
};
