import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import path from "node:path";
import { z } from "zod";

const Ready = z.object({ url: z.string() });
const START_MS = 30_000;

/** A variant's server, running as a process of its own. */
export interface ServerProcess {
  readonly url: string;
  readonly pid: number;
  stop(): Promise<void>;
}

/**
 * Starts a server file of this folder and hands it its configuration over the channel, not in arguments or the
 * environment, where other processes could read the passwords.
 */
export async function startServer(file: string, config: object): Promise<ServerProcess> {
  const child = spawn(process.execPath, ["--conditions=source", path.join(import.meta.dirname, file)], {
    // What a server logs is written, and dropped by the kernel: it pays for its log as it would in production.
    stdio: ["ignore", "ignore", "inherit", "ipc"],
    env: { PATH: process.env["PATH"], NODE_ENV: "production" },
  });
  child.send(config);
  const answer = await Promise.race([
    once(child, "message", { signal: AbortSignal.timeout(START_MS) }),
    once(child, "exit").then(() => [undefined]),
  ]);
  const ready = Ready.safeParse(answer[0]);
  if (!ready.success || child.pid === undefined) throw new Error(`${file} did not start`);
  return { url: ready.data.url, pid: child.pid, stop: () => stop(child) };
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, "exit");
  child.kill("SIGTERM");
  await exited;
}

/** The other end: waits for the configuration, starts, and says where it listens. Ends with its parent. */
export function serve<Schema extends z.ZodType>(
  schema: Schema,
  start: (config: z.output<Schema>) => Promise<string>,
): void {
  process.once("message", (message) => {
    void (async () => {
      process.send?.({ url: await start(schema.parse(message)) });
    })();
  });
  process.once("disconnect", () => process.exit(0));
  process.once("SIGTERM", () => process.exit(0));
}
