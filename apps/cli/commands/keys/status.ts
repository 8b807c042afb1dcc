import { CONNECTION_OPTIONS, type Command, EXIT, JSON_OPTION } from "../../command.ts";
import { showRows, TENANT_OPTION } from "../answer.ts";
import { readJobs, readKeys } from "./answers.ts";
import { bar } from "./progress.ts";

const DAY_SECONDS = 86_400;

export const keysStatus: Command = {
  name: "keys status",
  summary: "Show keys by tenant and purpose, with their versions and ages, and rewrapping under way",
  about:
    "Exit code 1 when a key is overdue. While keys are wrapped by another master key than the one in use, that one has to " +
    "stay in data.previousMasterKeys.",
  options: {
    ...TENANT_OPTION,
    overdue: { summary: "Only keys that are older than their period and were not replaced" },
    ...JSON_OPTION,
    ...CONNECTION_OPTIONS,
  },
  examples: [
    ["ringwall keys status", "all keys, on this machine"],
    ["ringwall keys status --tenant northbank --json", "one tenant's, for programs"],
    ["ringwall keys status --overdue", "for a check that runs every day"],
  ],
  async run(input, context) {
    const client = context.connect(input);
    const tenant = input.text("tenant");
    const { keys, master } = await readKeys(client, tenant);
    const wanted = input.flag("overdue") ? keys.filter(({ overdue }) => overdue) : keys;
    const exit = keys.some(({ overdue }) => overdue) ? EXIT.failed : EXIT.ok;
    const jobs = (await readJobs(client, tenant)).filter(({ state }) => state !== "done");
    if (input.flag("json")) {
      context.stdout(JSON.stringify({ master, keys: wanted, jobs }));
      return exit;
    }
    const rows = wanted.map(
      ({ age_seconds, automatic, due_at, min_version, overdue, purpose, tenant: owner, version }) => ({
        tenant: owner,
        purpose,
        version,
        opens_from: min_version ?? "erased",
        age_days: Math.floor(age_seconds / DAY_SECONDS),
        due: due_at.slice(0, 10),
        state: overdue ? "OVERDUE" : automatic ? "automatic" : "by hand",
      }),
    );
    showRows(input, context, rows, ["tenant", "purpose", "version", "opens_from", "age_days", "due", "state"]);
    const elsewhere = master.elsewhere ?? 0;
    context.stdout(
      elsewhere === 0
        ? `master key ${master.id}`
        : `master key ${master.id}; ${elsewhere} keys are still wrapped by another one: ringwall keys rewrap master`,
    );
    for (const job of jobs) context.stdout(`${job.tenant} ${job.work} ${bar(job)}`);
    return exit;
  },
};
