import { CONNECTION_OPTIONS, type Command, EXIT, JSON_OPTION, UsageError } from "../../command.ts";
import { namedTenant, readAnswer, showRow, TENANT_OPTION } from "../answer.ts";
import { Job, readKeys } from "./answers.ts";
import { follow } from "./progress.ts";

export const rewrapKeys: Command = {
  name: "keys rewrap",
  summary: "Wrap all keys under the master key in use, or a tenant's row keys under its newest version",
  about:
    "Online: nobody reads an error meanwhile, and a run that was cut off is continued by the next. After a master key was " +
    "replaced, keep the old one in data.previousMasterKeys until this has finished. Rows: after a rotation that was cut " +
    "off, and after a backup of the data was restored.",
  positionals: [{ name: "WHAT", summary: "master or rows" }],
  options: {
    ...TENANT_OPTION,
    "dry-run": { summary: "Say what would happen, and do nothing" },
    "no-wait": { summary: "Do not follow the work" },
    ...JSON_OPTION,
    ...CONNECTION_OPTIONS,
  },
  examples: [
    ["ringwall keys rewrap master", "after a new master key was configured"],
    ["ringwall keys rewrap rows --tenant northbank", "with progress"],
  ],
  async run(input, context) {
    const [what] = input.positionals;
    if (what !== "master" && what !== "rows") throw new UsageError("WHAT is master or rows");
    const client = context.connect(input);
    if (input.flag("dry-run")) {
      const tenant = what === "master" ? "platform" : input.text("tenant");
      const { keys, master } = await readKeys(client, tenant);
      const version = keys.find(({ purpose }) => purpose === "data")?.version ?? 0;
      const count = master.elsewhere ?? 0;
      const sentence =
        what === "master"
          ? `would wrap ${count} keys under ${master.id}`
          : `would wrap the row keys of older versions under version ${version}`;
      showRow(input, context, { what, target: what === "master" ? master.id : version, dry_run: true }, sentence);
      return EXIT.ok;
    }
    const job = readAnswer(Job, await client.request("POST", "/v1/key-rewraps", { what, ...namedTenant(input) }));
    if (input.flag("no-wait")) {
      showRow(input, context, job, `${job.total - job.done} to wrap; see: ringwall keys status`);
      return EXIT.ok;
    }
    return await follow(input, context, client, job, job.tenant);
  },
};
