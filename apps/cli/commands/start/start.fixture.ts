import { systemClock } from "ringwall/core";
import { onTestFinished } from "vitest";
import { recorded, temporaryFolder } from "../../context.fixture.ts";
import { run } from "../../run.ts";
import { commands } from "../index.ts";

/** Everything is up and has been said. */
const LAST_LINE = "Ctrl-C stops everything.";

/** What `ringwall start` came to: it runs until the test ends it, or it has refused with an exit code. */
export interface Start {
  readonly refused: number | undefined;
  readonly out: readonly string[];
  readonly err: readonly string[];
  /** As Ctrl-C does; resolves with the exit code when everything is gone. */
  stop(): Promise<number>;
}

/** Runs the real command with the real processes, until it runs or refuses. Ended with its test at the latest. */
export async function startRingwall(words: readonly string[]): Promise<Start> {
  const interruption = new AbortController();
  const running = Promise.withResolvers<undefined>();
  const { context, err } = recorded({ cwd: temporaryFolder() }, { signal: interruption.signal, clock: systemClock });
  const out: string[] = [];
  const stdout = (line: string): void => {
    if (out.push(line) > 0 && line === LAST_LINE) running.resolve(undefined);
  };
  const ended = run(commands, ["start", ...words], { ...context, stdout });
  const refused = await Promise.race([running.promise, ended]);
  const stop = async (): Promise<number> => {
    interruption.abort();
    return await ended;
  };
  onTestFinished(async () => void (await stop()));
  return { refused, out, err, stop };
}
