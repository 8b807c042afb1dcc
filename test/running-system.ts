import { spawn } from "node:child_process";
import { once } from "node:events";
import { rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { randomToken } from "../src/core/index.ts";
import { freePort } from "../src/testing/free-port.ts";

const CLI = fileURLToPath(new URL("../apps/cli/main.ts", import.meta.url));
/** The last line that a start says. */
const RUNNING = "Ctrl-C stops everything.";

/** The whole system, started as a person starts it. */
export interface RunningSystem {
  readonly dataFolder: string;
  readonly apiPort: number;
  readonly bankPort: number;
  readonly gatewayPort: number;
  /** Asks it to end, as Ctrl-C does, and removes its data. */
  stop(): Promise<void>;
}

/** Starts PostgreSQL, server and bank on free ports with a data directory of their own. */
export async function startSystem(): Promise<RunningSystem> {
  // The start makes it itself: started by root, PostgreSQL runs as another account, which has to pass through.
  const dataFolder = join(tmpdir(), `rw-system-${randomToken(9)}`);
  const [apiPort, bankPort, gatewayPort] = [await freePort(), await freePort(), await freePort()];
  const ports = ["--port", String(apiPort), "--bank-port", String(bankPort), "--gateway-port", String(gatewayPort)];
  const words = ["start", "--data", dataFolder, ...ports];
  const { execPath, env } = process;
  const { PATH = "", HOME = "" } = env;
  const child = spawn(execPath, ["--conditions=source", CLI, ...words], {
    stdio: ["ignore", "pipe", "pipe"],
    env: { PATH, HOME },
  });
  const said: string[] = [];
  const { promise: ready, resolve, reject } = Promise.withResolvers<void>();
  for (const stream of [child.stdout, child.stderr]) {
    createInterface({ input: stream }).on("line", (line) => {
      said.push(line);
      if (line === RUNNING) resolve();
    });
  }
  const exited = once(child, "exit");
  child.once("exit", (code) => reject(new Error(`the system ended (${String(code)}):\n${said.join("\n")}`)));
  try {
    await ready;
  } catch (error) {
    rmSync(dataFolder, { recursive: true, force: true });
    throw error;
  }
  return {
    dataFolder,
    apiPort,
    bankPort,
    gatewayPort,
    async stop() {
      child.kill("SIGINT");
      await exited;
      rmSync(dataFolder, { recursive: true, force: true });
    },
  };
}
