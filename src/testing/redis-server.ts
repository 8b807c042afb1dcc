import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePort } from "./free-port.ts";

/** Why Redis tests cannot run on this machine, for the name of the skipped test; `undefined` when they can. */
export function redisMissing(): string | undefined {
  const found = spawnSync("redis-server", ["--version"], { stdio: "ignore" });
  return found.error === undefined && found.status === 0
    ? undefined
    : "redis-server is not on PATH (Debian: apt install redis-server)";
}

/** A real Redis of a test's own: a free port of loopback, a temporary folder, nothing kept. */
export interface TestRedis {
  readonly port: number;
  readonly url: string;
  /** Ends the server at once, as a crash does. */
  kill(): Promise<void>;
  /** Starts it again on the same port, empty. */
  start(): Promise<void>;
  /** Freezes it: connections stay open and nothing is answered. */
  freeze(): void;
  thaw(): void;
  /** Ends it and removes its folder. */
  close(): Promise<void>;
}

// Far more than a start takes (about 50 ms), so that a busy machine does not fail a test.
const START_MS = 20_000;

/** Starts a server and waits until it takes connections. @throws Error when it does not start. */
export async function startRedis(options: { password?: string } = {}): Promise<TestRedis> {
  const folder = await mkdtemp(join(tmpdir(), "ringwall-redis-"));
  const port = await freePort();
  let child: ChildProcess | undefined;
  const start = async (): Promise<void> => {
    const secured = options.password === undefined ? [] : ["--requirepass", options.password];
    const plain = ["--bind", "127.0.0.1", "--dir", folder, "--save", "", "--appendonly", "no", "--daemonize", "no"];
    child = spawn("redis-server", ["--port", String(port), ...plain, ...secured], {
      stdio: ["ignore", "pipe", "ignore"],
    });
    // A test process that is stopped half-way leaves no server behind.
    const started = child;
    process.once("exit", () => started.kill("SIGKILL"));
    await untilReady(child);
  };
  const kill = async (): Promise<void> => {
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, "exit");
    child.kill("SIGKILL");
    await exited;
  };
  await start();
  return {
    port,
    url: `redis://127.0.0.1:${port}`,
    kill,
    start,
    freeze: () => void child?.kill("SIGSTOP"),
    thaw: () => void child?.kill("SIGCONT"),
    async close() {
      await kill();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

async function untilReady(child: ChildProcess): Promise<void> {
  const { stdout } = child;
  if (stdout === null) throw new Error("redis-server has no output");
  await new Promise<void>((resolve, reject) => {
    let seen = "";
    const timer = setTimeout(() => reject(new Error(`redis-server did not start: ${seen.slice(-500)}`)), START_MS);
    child.once("error", reject);
    child.once("exit", () => reject(new Error(`redis-server ended: ${seen.slice(-500)}`)));
    stdout.on("data", (chunk: Buffer) => {
      seen = (seen + chunk.toString()).slice(-10_000);
      if (!seen.includes("Ready to accept connections")) return;
      clearTimeout(timer);
      resolve();
    });
  });
}
