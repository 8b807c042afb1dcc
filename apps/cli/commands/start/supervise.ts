import type { Clock } from "ringwall/core";
import { CommandFailed } from "../../command.ts";

/** One process that has to run: PostgreSQL, the server, the bank. */
export interface Service {
  readonly name: string;
  /**
   * Starts it, and resolves when it is ready. Aborting `stopping` ends an attempt early.
   * @throws CommandFailed when starting it again would change nothing; anything else counts as a crash.
   */
  start(stopping: AbortSignal): Promise<Running>;
}

export interface Running {
  /** Settles when the process is gone, with how it ended: "exit code 1", "signal SIGKILL". */
  readonly exited: Promise<string>;
  /** Asks it to finish what it is doing and end; resolves when it is gone. */
  stop(): Promise<void>;
  /** Ends it without asking. */
  kill(): void;
}

export interface Surroundings {
  readonly clock: Clock;
  /** Waits, or returns early when the signal is aborted. */
  readonly delay: (ms: number, signal: AbortSignal) => Promise<void>;
  readonly log: (line: string) => void;
}

export interface Supervisor {
  /** Starts a service and keeps it running. Resolves when it is ready for the first time. @throws CommandFailed */
  start(service: Service): Promise<void>;
  /** Settles when a service was given up, with the reason. Never settles otherwise. */
  readonly gaveUp: Promise<CommandFailed>;
  /** Stops everything, the last started first, so that nobody loses what they lean on. */
  stop(forced: AbortSignal): Promise<void>;
}

// A crash now and then is survived; six within a minute is a fault that starting again does not mend.
const CRASHES_MAX = 5;
const CRASH_WINDOW_MS = 60_000;
const BACKOFF_FIRST_MS = 250;
const BACKOFF_LONGEST_MS = 5_000;

interface Kept {
  readonly service: Service;
  running: Running | undefined;
  finished: Promise<void>;
}

/** Keeps services running: starts them again after a crash, with growing pauses, and gives up when it does not help. */
export function supervise(surroundings: Surroundings): Supervisor {
  const kept: Kept[] = [];
  const stopping = new AbortController();
  const gaveUp = Promise.withResolvers<CommandFailed>();
  return {
    gaveUp: gaveUp.promise,
    async start(service) {
      const ready = Promise.withResolvers<void>();
      const one: Kept = { service, running: undefined, finished: Promise.resolve() };
      kept.push(one);
      one.finished = keepRunning(one, surroundings, stopping.signal, ready.resolve).then(
        // Asked to stop before it was ready; when it was, this changes nothing.
        () => ready.reject(new CommandFailed(`${service.name}: interrupted`)),
        (error: unknown) => {
          const reason = asFailure(service.name, error);
          gaveUp.resolve(reason);
          ready.reject(reason);
        },
      );
      await ready.promise;
    },
    async stop(forced) {
      stopping.abort();
      for (const one of kept.toReversed()) await stopOne(one, forced);
    },
  };
}

async function keepRunning(one: Kept, at: Surroundings, stopping: AbortSignal, ready: () => void): Promise<void> {
  let crashes: number[] = [];
  while (!stopping.aborted) {
    const ended = await runOnce(one, stopping, ready);
    if (stopping.aborted) return;
    const nowMs = at.clock();
    crashes = [...crashes.filter((ms) => nowMs - ms < CRASH_WINDOW_MS), nowMs];
    if (crashes.length > CRASHES_MAX) {
      throw new CommandFailed(`${one.service.name} ended ${crashes.length} times within a minute (${ended})`);
    }
    const pauseMs = Math.min(BACKOFF_FIRST_MS * 2 ** (crashes.length - 1), BACKOFF_LONGEST_MS);
    at.log(`${one.service.name} ended (${ended}); starting it again in ${pauseMs / 1_000} s`);
    await at.delay(pauseMs, stopping);
  }
}

/** One life of a service. Returns how it ended. */
async function runOnce(one: Kept, stopping: AbortSignal, ready: () => void): Promise<string> {
  try {
    one.running = await one.service.start(stopping);
  } catch (error) {
    if (error instanceof CommandFailed) throw error;
    return `it did not start: ${error instanceof Error ? error.message : String(error)}`;
  }
  // Stopped while it was starting: `stop` waits for `finished`, so it is taken down here.
  if (stopping.aborted) await one.running.stop();
  else ready();
  const ended = await one.running.exited;
  one.running = undefined;
  return ended;
}

async function stopOne(one: Kept, forced: AbortSignal): Promise<void> {
  const { running } = one;
  const kill = (): void => {
    (one.running ?? running)?.kill();
  };
  if (forced.aborted) kill();
  forced.addEventListener("abort", kill, { once: true });
  await running?.stop();
  await one.finished;
  forced.removeEventListener("abort", kill);
}

function asFailure(name: string, error: unknown): CommandFailed {
  if (error instanceof CommandFailed) return error;
  return new CommandFailed(`${name} cannot be kept running`, { cause: error });
}
