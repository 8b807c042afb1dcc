import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, copyFileSync, openSync, readSync, rmSync, statSync, truncateSync } from "node:fs";
import { CommandFailed } from "../../command.ts";
import { ChildMessage } from "./runtime.ts";
import type { Running, Service } from "./supervise.ts";

export interface ChildOptions {
  readonly name: string;
  readonly nodePath: string;
  readonly script: string;
  readonly runtimeFile: string;
  /** Receives what the child prints: its log, as JSON lines. */
  readonly logFile: string;
  readonly environment: Readonly<Record<string, string>>;
}

// What runs when this time is over is cut off; a drain waits for requests, and those have limits of their own.
const DRAIN_MS = 10_000;
// Longer than a first start with its seeding takes on a slow machine.
const READY_MS = 60_000;
// sysexits.h: EX_CONFIG. Starting again would change nothing.
const EXIT_CONFIGURATION = 78;
const LOG_TAIL_BYTES = 4_096;
const LOG_TAIL_LINES = 8;
const LOG_BYTES_MAX = 64 * 1_024 * 1_024;

/** A Node process of ours as a service: ready by an IPC message, drained by SIGTERM, gone with the supervisor. */
export function childService(options: ChildOptions): Service {
  return {
    name: options.name,
    async start(stopping) {
      trimLog(options.logFile);
      const child = launch(options);
      const exited = exitOf(child);
      const interrupt = (): void => void child.kill("SIGTERM");
      stopping.addEventListener("abort", interrupt, { once: true });
      const ready = await readiness(child, exited);
      stopping.removeEventListener("abort", interrupt);
      if (ready !== undefined) throw failure(options, ready);
      return running(child, exited);
    },
  };
}

function launch(options: ChildOptions): ChildProcess {
  const log = openSync(options.logFile, "a", 0o600);
  try {
    return spawn(options.nodePath, ["--conditions=source", options.script, options.runtimeFile], {
      stdio: ["ignore", log, log, "ipc"],
      // A session of its own: a Ctrl-C at the terminal reaches the supervisor alone, which then drains in order.
      detached: true,
      env: options.environment,
    });
  } finally {
    closeSync(log);
  }
}

function exitOf(child: ChildProcess): Promise<string> {
  const { promise, resolve } = Promise.withResolvers<string>();
  child.once("error", (error) => {
    // Also sent for a signal that could not be delivered, when there is a process; only a missing one has no number.
    if (child.pid === undefined) resolve(error.message);
  });
  child.once("exit", (code, signal) => {
    resolve(code === null ? `signal ${String(signal)}` : `exit code ${code}`);
  });
  return promise;
}

interface NotReady {
  readonly reason: string;
  readonly final: boolean;
}

/** Waits until the child says it is ready. Otherwise returns why not, and the child is gone. */
async function readiness(child: ChildProcess, exited: Promise<string>): Promise<NotReady | undefined> {
  const { promise, resolve } = Promise.withResolvers<NotReady | undefined>();
  const onMessage = (message: unknown): void => {
    const parsed = ChildMessage.safeParse(message);
    if (!parsed.success) return;
    resolve("ready" in parsed.data ? undefined : { reason: parsed.data.fatal, final: true });
  };
  const late = setTimeout(() => resolve({ reason: `not ready after ${READY_MS / 1_000} s`, final: false }), READY_MS);
  child.on("message", onMessage);
  const ended = exited.then((reason): NotReady => ({ reason, final: child.exitCode === EXIT_CONFIGURATION }));
  const result = await Promise.race([promise, ended]);
  clearTimeout(late);
  child.removeListener("message", onMessage);
  if (result !== undefined) {
    child.kill("SIGKILL");
    await exited;
  }
  return result;
}

function failure(options: ChildOptions, { reason, final }: NotReady): Error {
  const tail = logTail(options.logFile);
  const message = `${options.name}: ${reason}`;
  if (final) return new CommandFailed(message, { wayOut: `Its log: ${options.logFile}` });
  return new Error(tail === "" ? message : `${reason}; its log ${options.logFile} ends with:\n${tail}`);
}

function running(child: ChildProcess, exited: Promise<string>): Running {
  return {
    exited,
    async stop() {
      child.kill("SIGTERM");
      const late = setTimeout(() => child.kill("SIGKILL"), DRAIN_MS);
      await exited;
      clearTimeout(late);
    },
    kill() {
      child.kill("SIGKILL");
    },
  };
}

/** The last lines of a log, for the message about a crash. */
export function logTail(file: string): string {
  try {
    const handle = openSync(file, "r");
    try {
      const buffer = Buffer.alloc(LOG_TAIL_BYTES);
      const start = Math.max(0, statSync(file).size - LOG_TAIL_BYTES);
      const length = readSync(handle, buffer, 0, LOG_TAIL_BYTES, start);
      const lines = buffer.toString("utf8", 0, length).trimEnd().split("\n");
      return lines
        .slice(-LOG_TAIL_LINES)
        .map((line) => `  | ${line}`)
        .join("\n");
    } finally {
      closeSync(handle);
    }
  } catch {
    return "";
  }
}

/**
 * Keeps a log from filling the disk: beyond 64 MiB its content becomes the one older copy and it starts anew. The
 * writer goes on in the same file, which was opened for appending; a line written between copy and cut is lost. This is
 * the request log, not the audit.
 */
export function trimLog(file: string): void {
  const size = statSync(file, { throwIfNoEntry: false })?.size ?? 0;
  if (size <= LOG_BYTES_MAX) return;
  try {
    copyFileSync(file, `${file}.1`);
  } catch {
    // A full disk: what this log holds is given up for the space, and the half copy with it.
    rmSync(`${file}.1`, { force: true });
  }
  truncateSync(file, 0);
}
