import { setTimeout as delay } from "node:timers/promises";
import type { Command, Context, Input } from "../../command.ts";
import { CommandFailed, EXIT, JSON_OPTION, UsageError } from "../../command.ts";
import { dataDirectory } from "../../data-directory.ts";
import type { Attack } from "./attack.ts";
import { printList, printReport, summarise } from "./report.ts";
import type { Row } from "./run.ts";

export const attackCommand: Command = {
  name: "attack",
  summary: "Replay known attacks against a running development system",
  about:
    "Builds two throwaway banks over the local admin socket, plays every attack and its benign twin over HTTP, and " +
    "suspends the banks. Takes one to two minutes, most of them waiting for one-time codes. Exit code 1 when one " +
    "attack succeeds, proves nothing or fails with an error. Never touches a production system.",
  options: {
    data: { value: "DIR", summary: "Data directory of the running development system" },
    only: { value: "ID", summary: "Play this attack alone" },
    "api-only": { summary: "Leave out the attacks on the example bank" },
    list: { summary: "Say what would be tried, and try nothing" },
    ...JSON_OPTION,
  },
  examples: [
    ["ringwall attack", "all of them, as a table"],
    ["ringwall attack --only totp-replay", "one of them"],
    ["ringwall attack --data ./data --json", "for programs: one object with all rows"],
  ],
  async run(input, context) {
    // Loaded here, so that the other commands do not wait for a hundred definitions.
    const { attacks, findTarget, openStage, playAll } = await import("./index.ts");
    const chosen = choose(input, attacks);
    if (input.flag("list")) {
      if (input.flag("json")) context.stdout(JSON.stringify(chosen));
      else printList(context, chosen);
      return EXIT.ok;
    }
    const { machine } = context;
    const target = await findTarget(dataDirectory(input.text("data"), machine), machine.uid);
    if (target.place.bank === undefined && chosen.some((attack) => attack.target === "bank")) {
      throw new CommandFailed("the example bank does not run, and some attacks are on it", {
        wayOut: "Start it (ringwall start without --no-example), or leave them out: --api-only",
      });
    }
    const startedMs = context.clock();
    const stage = await openStage({
      ...target,
      clock: context.clock,
      delay: async (ms) => await delay(ms, undefined, { signal: context.signal }),
    });
    let rows: readonly Row[] = [];
    let suspended: readonly string[] = [];
    try {
      rows = await visibly(playAll(chosen, stage, context.signal), context);
    } finally {
      suspended = await stage.close();
    }
    const summary = summarise(rows, context.clock() - startedMs);
    if (input.flag("json")) context.stdout(JSON.stringify({ summary, rows, suspended }));
    else printReport(context, rows, summary, suspended);
    return summary.stopped === rows.length ? EXIT.ok : EXIT.failed;
  },
};

function choose(input: Input, attacks: readonly Attack[]): readonly Attack[] {
  const only = input.text("only");
  const wanted = attacks.filter((attack) => !input.flag("api-only") || attack.target === "api");
  if (only === undefined) return wanted;
  const found = wanted.filter((attack) => attack.id === only);
  if (found.length === 0) throw new UsageError(`there is no attack ${JSON.stringify(only)}; --list shows them`);
  return found;
}

/** Waits for all rows and says on stderr how far it is, as a run takes longer than patience does. */
async function visibly(pending: ReadonlyMap<string, Promise<Row>>, context: Context): Promise<readonly Row[]> {
  let done = 0;
  return await Promise.all(
    [...pending.values()].map(async (promise) => {
      const row = await promise;
      done += 1;
      context.stderr(`${String(done).padStart(3)} of ${pending.size}  ${row.verdict.padEnd(9)}  ${row.id}`);
      return row;
    }),
  );
}
