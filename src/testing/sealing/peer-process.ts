import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { setTimeout as wait } from "node:timers/promises";

/** A server of a test's own that can be killed and started again. */
export interface PeerProcess {
  start(): Promise<void>;
  kill(): Promise<void>;
  /** Freezes it: connections stay open and nothing is answered. */
  freeze(): void;
  thaw(): void;
}

const START_MS = 60_000;
const POLL_MS = 100;

/** @param isReady - Asked until it is true, once each tenth of a second; an error is a no. */
export function peerProcess(
  command: string,
  args: readonly string[],
  env: Readonly<Record<string, string>>,
  isReady: () => Promise<boolean>,
): PeerProcess {
  let child: ChildProcess | undefined;
  return {
    async start() {
      const started = spawn(command, [...args], { stdio: "ignore", env: { PATH: "/usr/bin:/bin", ...env } });
      child = started;
      // A test process that is stopped half-way leaves no server behind.
      process.once("exit", () => started.kill("SIGKILL"));
      const signal = AbortSignal.timeout(START_MS);
      while (!(await isReady().catch(() => false))) {
        signal.throwIfAborted();
        if (started.exitCode !== null) throw new Error(`${command} ended with ${started.exitCode}`);
        await wait(POLL_MS);
      }
    },
    freeze: () => void child?.kill("SIGSTOP"),
    thaw: () => void child?.kill("SIGCONT"),
    async kill() {
      if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
      const exited = once(child, "exit");
      child.kill("SIGKILL");
      await exited;
    },
  };
}
