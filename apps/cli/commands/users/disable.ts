import { segment } from "../../client.ts";
import type { Command } from "../../command.ts";
import { CONNECTION_OPTIONS, EXIT, JSON_OPTION } from "../../command.ts";
import { confirmByName, DRY_RUN_OPTION } from "../../confirmation/confirm.ts";
import { showRow } from "../answer.ts";
import { ABOUT_PEOPLE, readPerson } from "./people.ts";

export const disableUser: Command = {
  name: "users disable",
  summary: "Shut a person out: sessions, sign-ins under way and links end at once",
  about: `${ABOUT_PEOPLE} Asks for the person's e-mail address first. What they made stays; users enable lets them in again.`,
  positionals: [{ name: "ID", summary: "The person's id, as users list shows it" }],
  options: { ...DRY_RUN_OPTION, ...JSON_OPTION, ...CONNECTION_OPTIONS },
  examples: [
    [
      "ringwall users disable 0198c6f2-6d3f-7a10-9c55-5e8a2f0b7d11 --url https://ringwall.example --credential key",
      "asks for the address",
    ],
  ],
  async run(input, context) {
    const [id = ""] = input.positionals;
    const client = context.connect(input);
    const { email, role } = await readPerson(client, id);
    if (input.flag("dry-run")) {
      showRow(input, context, { id, email, role, dry_run: true }, `would shut out ${email} (${role})`);
      return EXIT.ok;
    }
    const warning = "Every session of theirs ends.";
    await confirmByName(input, context, { warning, what: "The person's e-mail address", name: email });
    await client.request("POST", `/v1/users/${segment(id)}/disable`);
    showRow(input, context, { id, email, status: "disabled" }, `${email} is shut out`);
    return EXIT.ok;
  },
};

export const enableUser: Command = {
  name: "users enable",
  summary: "Let a person who was shut out sign in again",
  about: ABOUT_PEOPLE,
  positionals: [{ name: "ID", summary: "The person's id, as users list shows it" }],
  options: { ...JSON_OPTION, ...CONNECTION_OPTIONS },
  examples: [
    [
      "ringwall users enable 0198c6f2-6d3f-7a10-9c55-5e8a2f0b7d11 --url https://ringwall.example --credential key",
      "with the password they had; sessions and links stay ended",
    ],
  ],
  async run(input, context) {
    const [id = ""] = input.positionals;
    await context.connect(input).request("POST", `/v1/users/${segment(id)}/enable`);
    showRow(input, context, { id, status: "active" }, `${id} may sign in again`);
    return EXIT.ok;
  },
};
