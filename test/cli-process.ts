import { type ChildProcess, type SpawnOptions, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";

/** The main file of this checkout's command line. */
const CLI = fileURLToPath(new URL("../apps/cli/main.ts", import.meta.url));
/** The last line that a start says. */
export const RUNNING = "Ctrl-C stops everything.";

/** One command line as a process of its own, with nothing of the test's environment but what finds programs. */
export function spawnCli(
  words: readonly string[],
  { cli = CLI, ...options }: Pick<SpawnOptions, "cwd" | "stdio"> & { readonly cli?: string | undefined } = {},
): ChildProcess {
  const { execPath, env } = process;
  const { PATH = "", HOME = "" } = env;
  return spawn(execPath, ["--conditions=source", cli, ...words], { ...options, env: { PATH, HOME } });
}

/** Runs a command to its end, with lines that answer what it asks. */
export async function runCli(
  words: readonly string[],
  options: { readonly cwd?: string; readonly answers?: readonly string[]; readonly cli?: string | undefined } = {},
): Promise<{ readonly exit: number | null; readonly stdout: string; readonly stderr: string }> {
  const { answers = [], ...rest } = options;
  const child = spawnCli(words, rest);
  const { stderr, stdin, stdout } = child;
  if (stdin === null || stdout === null || stderr === null) throw new TypeError("a command has pipes");
  stdin.end(answers.map((answer) => `${answer}\n`).join(""));
  const [out, err] = await Promise.all([text(stdout), text(stderr), once(child, "close")]);
  return { exit: child.exitCode, stdout: out, stderr: err };
}

/** Waits until a start says that it runs. @throws Error with what it said, when it ends before. */
export async function untilRunning(child: ChildProcess): Promise<void> {
  const said: string[] = [];
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  for (const stream of [child.stdout, child.stderr]) {
    if (stream === null) continue;
    createInterface({ input: stream }).on("line", (line) => {
      said.push(line);
      if (line === RUNNING) resolve();
    });
  }
  child.once("exit", (code) => reject(new Error(`it ended (${String(code)}):\n${said.join("\n")}`)));
  await promise;
}

/** Asks a start to end, as Ctrl-C does, and waits until it has. */
export async function endCli(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, "exit");
  child.kill("SIGINT");
  await exited;
}
