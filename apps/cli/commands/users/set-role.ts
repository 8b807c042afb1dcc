import { segment } from "../../client.ts";
import type { Command } from "../../command.ts";
import { CONNECTION_OPTIONS, EXIT, JSON_OPTION, UsageError } from "../../command.ts";
import { DRY_RUN_OPTION } from "../../confirmation/confirm.ts";
import { showRow } from "../answer.ts";
import { ABOUT_PEOPLE, ROLES, readPerson } from "./people.ts";

export const setRole: Command = {
  name: "users set-role",
  summary: "Give a person another role; their next request is decided with it",
  about: `${ABOUT_PEOPLE} Nobody gives or takes more than they hold, and the last owner stays one.`,
  positionals: [
    { name: "ID", summary: "The person's id, as users list shows it" },
    { name: "ROLE", summary: `One of ${ROLES.join(", ")}` },
  ],
  options: { ...DRY_RUN_OPTION, ...JSON_OPTION, ...CONNECTION_OPTIONS },
  examples: [
    [
      "ringwall users set-role 0198c6f2-6d3f-7a10-9c55-5e8a2f0b7d11 viewer --url https://ringwall.example --credential key",
      "they read, and change nothing",
    ],
  ],
  async run(input, context) {
    const [id = "", wanted = ""] = input.positionals;
    const role = ROLES.find((known) => known === wanted);
    if (role === undefined) throw new UsageError(`ROLE must be one of ${ROLES.join(", ")}`);
    const client = context.connect(input);
    const { email, role: from } = await readPerson(client, id);
    const facts = { id, email, from, role };
    if (input.flag("dry-run")) {
      showRow(input, context, { ...facts, dry_run: true }, `would make ${email} ${role} (${from} now)`);
      return EXIT.ok;
    }
    await client.request("PUT", `/v1/users/${segment(id)}/role`, { role });
    showRow(input, context, facts, `${email} is ${role} (${from} before)`);
    return EXIT.ok;
  },
};
