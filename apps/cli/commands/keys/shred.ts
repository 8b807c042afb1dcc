import { resolve } from "node:path";
import { isTenantId } from "ringwall/core";
import { z } from "zod";
import { segment } from "../../client.ts";
import {
  CONNECTION_OPTIONS,
  type Command,
  CommandFailed,
  type Context,
  EXIT,
  type Input,
  JSON_OPTION,
  UsageError,
} from "../../command.ts";
import { writePrivateFile } from "../../private-file.ts";
import { readAnswer, showRow } from "../answer.ts";
import { readKeys } from "./answers.ts";

const Erased = z.object({ id: z.string(), certificate: z.string() });

export const shredTenant: Command = {
  name: "keys shred",
  summary: "Destroy every key of a tenant: what they sealed is unreadable for good, in backups too",
  about:
    "For the platform's people, over --url, within five minutes after a sign-in with a second factor. The tenant's name has " +
    "to be typed. Nothing brings the data back; the certificate says what was destroyed.",
  positionals: [{ name: "TENANT", summary: "The tenant's id" }],
  options: {
    reason: { value: "TEXT", summary: "Why; stands in the certificate" },
    "certificate-file": {
      value: "FILE",
      summary: "Write the certificate into this file (mode 0600), not on the terminal",
    },
    "dry-run": { summary: "Say which keys would be destroyed, and do nothing" },
    ...JSON_OPTION,
    ...CONNECTION_OPTIONS,
  },
  examples: [
    [
      `ringwall keys shred northbank --reason "contract 17 ended" --certificate-file northbank.json --url https://ringwall.example --credential admin`,
      "asks for the tenant's name first",
    ],
    ["ringwall keys shred northbank --dry-run", "what it would destroy"],
  ],
  async run(input, context) {
    const [tenant = ""] = input.positionals;
    if (!isTenantId(tenant)) throw new UsageError("TENANT must be 3 to 50 of a-z, 0-9, _ and -");
    const client = context.connect(input);
    if (input.flag("dry-run")) {
      const { keys } = await readKeys(client, tenant);
      const doomed = keys.flatMap(({ purpose, versions }) =>
        versions.filter(({ state }) => state !== "destroyed").map(({ version }) => `${purpose}/${version}`),
      );
      const facts = { tenant, keys: doomed, dry_run: true };
      showRow(input, context, facts, `would destroy ${doomed.length} keys of ${tenant}: ${doomed.join(", ")}`);
      return EXIT.ok;
    }
    const reason = input.text("reason");
    if (reason === undefined) throw new UsageError("--reason is missing: it stands in the certificate");
    const confirm = await confirmation(input, context, tenant);
    const path = `/v1/tenants/${segment(tenant)}/erasure`;
    const erased = readAnswer(Erased, await client.request("POST", path, { confirm, reason }));
    const file = input.text("certificate-file");
    if (file !== undefined) writePrivateFile(resolve(context.machine.cwd, file), `${erased.certificate}\n`);
    const sentence = `every key of ${tenant} is destroyed; certificate ${erased.id}`;
    showRow(input, context, { tenant, ...erased, ...(file === undefined ? {} : { file }) }, sentence);
    if (file === undefined && !input.flag("json")) context.stdout(erased.certificate);
    return EXIT.ok;
  },
};

async function confirmation(input: Input, context: Context, tenant: string): Promise<string> {
  if (!input.flag("json")) context.stderr(`Nothing brings the data of ${tenant} back.`);
  const typed = (await context.ask(`The tenant's name, as people see it: `)).trim();
  if (typed === "") throw new CommandFailed("nothing was typed, and nothing was destroyed");
  return typed;
}
