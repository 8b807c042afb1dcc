import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { connect } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import type { Account } from "../../adapters/embedded-postgres/index.ts";

// Far more than a start takes (well below a second), so that a busy machine does not fail a test.
const START_MS = 30_000;
const STOP_MS = 10_000;
const POLL_MS = 20;
const OUTPUT_CHARS = 4_000;

/** A server that a test started. */
export interface ServerProcess {
  readonly pid: number;
  /** Ends it as asked for, at once when that takes too long. */
  stop(signal: NodeJS.Signals): Promise<void>;
}

/** How a server is started. */
export interface ServerCommand {
  readonly program: string;
  readonly args: readonly string[];
  /** As whom, when we are root. */
  readonly account: Account | undefined;
  /** It is ready when this port of loopback takes connections. */
  readonly port: number;
}

/** Starts a server and waits until it takes connections. @throws Error with the end of its output when it does not. */
export async function startServer({ program, args, account, port }: ServerCommand): Promise<ServerProcess> {
  const child = spawn(program, args, {
    stdio: ["ignore", "pipe", "pipe"],
    // A folder that every account can enter: the tests' own may be closed to it.
    cwd: "/",
    ...(account === undefined ? {} : { uid: account.uid, gid: account.gid }),
  });
  // A test process that is stopped half-way leaves no server behind.
  const kill = (): void => void child.kill("SIGKILL");
  process.once("exit", kill);
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.on("data", (chunk: Buffer) => {
      output = (output + chunk.toString()).slice(-OUTPUT_CHARS);
    });
  }
  const stop = async (signal: NodeJS.Signals): Promise<void> => {
    process.off("exit", kill);
    if (isGone(child)) return;
    const exited = once(child, "exit");
    child.kill(signal);
    const late = setTimeout(kill, STOP_MS);
    await exited;
    clearTimeout(late);
  };
  try {
    await untilListening(child, port, () => `${program} did not start: ${output}`);
  } catch (error) {
    await stop("SIGKILL");
    throw error;
  }
  return { pid: child.pid ?? 0, stop };
}

function isGone(child: ChildProcess): boolean {
  return child.pid === undefined || child.exitCode !== null || child.signalCode !== null;
}

async function untilListening(child: ChildProcess, port: number, what: () => string): Promise<void> {
  const failed = new Promise<never>((_, reject) => {
    child.once("error", reject);
    child.once("exit", () => reject(new Error(what())));
  });
  // Raced below; a server that ends later is a test's own doing.
  failed.catch(() => {});
  for (let waited = 0; waited < START_MS; waited += POLL_MS) {
    const answers = await Promise.race([isListening(port), failed]);
    if (answers) return;
    await Promise.race([delay(POLL_MS), failed]);
  }
  throw new Error(what());
}

function isListening(port: number): Promise<boolean> {
  return new Promise((done) => {
    const socket = connect({ host: "127.0.0.1", port });
    socket.once("connect", () => {
      socket.destroy();
      done(true);
    });
    socket.once("error", () => {
      socket.destroy();
      done(false);
    });
  });
}
