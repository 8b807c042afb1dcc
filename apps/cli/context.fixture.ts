import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, onTestFinished } from "vitest";
import { CommandFailed, type Context, type Machine } from "./command.ts";
import { connect, connectAnonymously } from "./connection.ts";

/** A context that keeps what a command says, on a machine of the test's choosing. */
export interface Recorded {
  readonly context: Context;
  readonly out: string[];
  readonly err: string[];
}

export function recorded(machine: Partial<Machine> = {}, over: Partial<Context> = {}): Recorded {
  const out: string[] = [];
  const err: string[] = [];
  const facts: Machine = {
    nodeVersion: "24.21.0",
    // tidy-allow(process): a fixture describes the machine that runs the tests.
    nodePath: process.execPath,
    platform: "linux-x64",
    // tidy-allow(process): a fixture describes the machine that runs the tests.
    uid: process.geteuid?.() ?? -1,
    // tidy-allow(process): a fixture describes the machine that runs the tests.
    pid: process.pid,
    cwd: "/nowhere",
    home: "/nowhere/home",
    stateHome: undefined,
    settings: {},
    childEnvironment: {},
    ...machine,
  };
  const signal = over.signal ?? new AbortController().signal;
  const context: Context = {
    stdout: (line) => void out.push(line),
    stderr: (line) => void err.push(line),
    stdoutIsTerminal: false,
    stdinIsTerminal: false,
    ask: async (question) => await Promise.reject(new CommandFailed(`nobody answers: ${question}`)),
    readStdin: async () => await Promise.resolve(""),
    clock: () => Date.UTC(2026, 10, 24),
    machine: facts,
    connect: (input) => connect(input, facts, signal),
    connectAnonymously: (origin, caFile) => connectAnonymously({ origin, caFile }, facts, signal),
    signal,
    forced: new AbortController().signal,
    ...over,
  };
  return { context, out, err };
}

const folders: string[] = [];
const removeAll = (): void => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
};
afterAll(removeAll);

/** A folder (0700) that is removed when its test is done, or with the file's tests when it was made before any of them. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "rw-cli-"));
  if (expect.getState().currentTestName === undefined) folders.push(folder);
  else onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}
