#!/usr/bin/env -S node --conditions=source
/**
 * The command `ringwall`. The only place of the command line that reads the process: arguments, environment, user,
 * streams and signals go from here into a {@link Context}, and an exit code comes back.
 *
 * @module
 */
import { homedir } from "node:os";
import { isatty } from "node:tty";
import { systemClock } from "ringwall/core";
import type { Context, Machine } from "./command.ts";
import { CommandFailed, EXIT } from "./command.ts";
import { commands } from "./commands/index.ts";
import { connect, connectAnonymously } from "./connection.ts";
import { run } from "./run.ts";
import { childEnvironment, readSettings } from "./settings.ts";
import { type Ask, makeAsk } from "./terminal.ts";

// `npm start` passes a Ctrl-C on although the terminal has sent it already, so a person's one key arrives twice.
const SAME_KEY_MS = 700;

function machine(): Machine {
  return {
    nodeVersion: process.versions.node,
    nodePath: process.execPath,
    platform: `${process.platform}-${process.arch}`,
    uid: process.geteuid?.() ?? -1,
    pid: process.pid,
    cwd: process.cwd(),
    home: homedir(),
    stateHome: process.env["XDG_STATE_HOME"],
    settings: readSettings(process.env),
    childEnvironment: childEnvironment(process.env),
  };
}

function interruptions(): { signal: AbortSignal; forced: AbortSignal } {
  const first = new AbortController();
  const second = new AbortController();
  let firstMs = 0;
  for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    process.on(name, () => {
      if (!first.signal.aborted) {
        firstMs = performance.now();
        first.abort();
      } else if (performance.now() - firstMs > SAME_KEY_MS) {
        second.abort();
      }
    });
  }
  return { signal: first.signal, forced: second.signal };
}

async function readStdin(bytesMax: number, signal: AbortSignal): Promise<string> {
  signal.addEventListener("abort", () => void process.stdin.destroy(new CommandFailed("interrupted")), { once: true });
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of process.stdin) {
    const bytes = Buffer.from(chunk);
    size += bytes.length;
    if (size > bytesMax) throw new CommandFailed(`the input is larger than ${bytesMax} bytes`);
    chunks.push(bytes);
  }
  return Buffer.concat(chunks).toString("utf8");
}

function context(): Context {
  const facts = machine();
  const { signal, forced } = interruptions();
  // A reader that went away (`| head`) ends the output, not the program.
  process.stdout.on("error", () => {});
  process.stderr.on("error", () => {});
  // Made when something is asked: whoever asks nothing must not wait for an input that nobody ends.
  let ask: Ask | undefined;
  return {
    stdout: (line) => void process.stdout.write(`${line}\n`),
    stderr: (line) => void process.stderr.write(`${line}\n`),
    stdoutIsTerminal: isatty(1),
    stdinIsTerminal: isatty(0),
    ask: (question, hidden) => {
      ask ??= makeAsk({ input: process.stdin, isTerminal: isatty(0), output: process.stderr, signal });
      return ask(question, hidden);
    },
    readStdin: (bytesMax) => readStdin(bytesMax, signal),
    clock: systemClock,
    machine: facts,
    connect: (input) => connect(input, facts, signal),
    connectAnonymously: (origin, caFile) => connectAnonymously({ origin, caFile }, facts, signal),
    signal,
    forced,
  };
}

try {
  process.exitCode = await run(commands, process.argv.slice(2), context());
  // A pipe that its writer keeps open would keep this process too.
  process.stdin.destroy();
} catch (error) {
  // Only what is read before a command is chosen fails here: the settings.
  if (!(error instanceof CommandFailed)) throw error;
  process.stderr.write(`ringwall: ${error.message}\n  ${error.wayOut}\n`);
  process.exitCode = EXIT.usage;
}
