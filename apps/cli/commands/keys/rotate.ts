import { z } from "zod";
import { CONNECTION_OPTIONS, type Command, EXIT, JSON_OPTION } from "../../command.ts";
import { namedTenant, readAnswer, showRow, TENANT_OPTION } from "../answer.ts";
import { Job, readKeys } from "./answers.ts";
import { follow } from "./progress.ts";

const Rotated = z.object({ tenant: z.string(), purpose: z.string(), version: z.number(), job: Job.nullable() });

export const rotateKey: Command = {
  name: "keys rotate",
  summary: "Make the next version of one key now",
  about:
    "New data is sealed with it at once; what older versions sealed still opens. For the purpose data, row keys are then " +
    "wrapped anew in the background, which this command follows. Replacing a pepper ends sessions and links.",
  positionals: [
    { name: "PURPOSE", summary: "data, index, vault, secrets, objects, audit, identity; or a service key" },
  ],
  options: {
    ...TENANT_OPTION,
    "dry-run": { summary: "Say what would happen, and do nothing" },
    "no-wait": { summary: "Do not follow the rewrapping" },
    ...JSON_OPTION,
    ...CONNECTION_OPTIONS,
  },
  examples: [
    ["ringwall keys rotate data --tenant northbank", "with progress, until every row key is wrapped anew"],
    ["ringwall keys rotate vault --tenant northbank --dry-run", "what it would do"],
  ],
  async run(input, context) {
    const [purpose = ""] = input.positionals;
    const client = context.connect(input);
    const tenant = input.text("tenant");
    if (input.flag("dry-run")) {
      const { keys } = await readKeys(client, tenant ?? "platform");
      const key = keys.find((one) => one.purpose === purpose);
      const next = (key?.versions[0]?.version ?? 0) + 1;
      const facts = { purpose, tenant: tenant ?? null, version: next, dry_run: true };
      showRow(input, context, facts, `would make version ${next} of ${purpose}`);
      return EXIT.ok;
    }
    const body = { purpose, ...namedTenant(input) };
    const made = readAnswer(Rotated, await client.request("POST", "/v1/key-rotations", body));
    if (made.job === null || input.flag("no-wait")) {
      showRow(input, context, made, `${made.tenant}: ${made.purpose} is at version ${made.version}`);
      return EXIT.ok;
    }
    if (!input.flag("json")) context.stdout(`${made.tenant}: ${made.purpose} is at version ${made.version}`);
    return await follow(input, context, client, made.job, made.tenant);
  },
};
