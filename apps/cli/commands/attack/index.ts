/**
 * `ringwall attack`: replays the founding document's mistakes over HTTP against a running development system, and says
 * of each whether it was stopped, by what, and whether that was the layer that ought to.
 *
 * Guards against a product that only looks safe: each attack has a benign twin that differs in one thing and must be
 * let through, so that a server which refuses everything passes nothing. Does not look for the unknown: it is no
 * scanner, and a row that is stopped proves that flaw absent and no other.
 *
 * Limits: acts only on tenants of its own, which it suspends at the end, and comes from loopback addresses of its own,
 * so that nobody else's rate limits are used up (Linux only: elsewhere loopback has one address). Refuses whatever is
 * not a development system. An error of the system or of this program is an error, never a success of the defence.
 *
 * @module
 */
import { setTimeout as delay } from "node:timers/promises";
import type { Command, Context, Input } from "../../command.ts";
import { CommandFailed, EXIT, JSON_OPTION, UsageError } from "../../command.ts";
import { dataDirectory } from "../../data-directory.ts";
import type { Attack } from "./attack.ts";
import { attacks } from "./attacks/index.ts";
import { openStage } from "./open-stage.ts";
import { printList, printReport, summarise } from "./report.ts";
import { playAll, type Row } from "./run.ts";
import type { Stage } from "./stage.ts";
import { findTarget } from "./target.ts";

export { attacks } from "./attacks/index.ts";
export { FLAWS } from "./flaws.ts";
export { openStage } from "./open-stage.ts";
export { playAll, type Row } from "./run.ts";
export type { Stage } from "./stage.ts";
export { findTarget } from "./target.ts";

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
    const chosen = choose(input);
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
      rows = await playVisibly(chosen, stage, context);
    } finally {
      suspended = await stage.close();
    }
    const summary = summarise(rows, context.clock() - startedMs);
    if (input.flag("json")) context.stdout(JSON.stringify({ summary, rows, suspended }));
    else printReport(context, rows, summary, suspended);
    return summary.stopped === rows.length ? EXIT.ok : EXIT.failed;
  },
};

function choose(input: Input): readonly Attack[] {
  const only = input.text("only");
  const wanted = attacks.filter((attack) => !input.flag("api-only") || attack.target === "api");
  if (only === undefined) return wanted;
  const found = wanted.filter((attack) => attack.id === only);
  if (found.length === 0) throw new UsageError(`there is no attack ${JSON.stringify(only)}; --list shows them`);
  return found;
}

/** Plays them and says on stderr how far it is, as a run takes longer than patience does. */
async function playVisibly(chosen: readonly Attack[], stage: Stage, context: Context): Promise<readonly Row[]> {
  const pending = playAll(chosen, stage, context.signal);
  let done = 0;
  return await Promise.all(
    [...pending.values()].map(async (promise) => {
      const row = await promise;
      done += 1;
      context.stderr(`${String(done).padStart(3)} of ${chosen.length}  ${row.verdict.padEnd(9)}  ${row.id}`);
      return row;
    }),
  );
}
