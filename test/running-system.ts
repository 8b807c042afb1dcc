import { rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { randomToken } from "../src/core/index.ts";
import { freePort } from "../src/testing/free-port.ts";
import { endCli, spawnCli, untilRunning } from "./cli-process.ts";

/** The whole system, started as a person starts it. */
export interface RunningSystem {
  readonly dataFolder: string;
  readonly apiPort: number;
  readonly bankPort: number;
  readonly gatewayPort: number;
  /** Asks it to end, as Ctrl-C does, and removes its data. */
  stop(): Promise<void>;
}

/** Ports for the API, the bank and the gateway of one start, and the words that say so. */
export async function systemPorts() {
  const [apiPort, bankPort, gatewayPort] = [await freePort(), await freePort(), await freePort()];
  const words = ["--port", String(apiPort), "--bank-port", String(bankPort), "--gateway-port", String(gatewayPort)];
  return { apiPort, bankPort, gatewayPort, words };
}

/** Starts PostgreSQL, server and bank on free ports with a data directory of their own. */
export async function startSystem(): Promise<RunningSystem> {
  // The start makes it itself: started by root, PostgreSQL runs as another account, which has to pass through.
  const dataFolder = join(tmpdir(), `rw-system-${randomToken(9)}`);
  const { words, ...ports } = await systemPorts();
  const child = spawnCli(["start", "--data", dataFolder, ...words], { stdio: ["ignore", "pipe", "pipe"] });
  try {
    await untilRunning(child);
  } catch (error) {
    rmSync(dataFolder, { recursive: true, force: true });
    throw error;
  }
  return {
    dataFolder,
    ...ports,
    async stop() {
      await endCli(child);
      rmSync(dataFolder, { recursive: true, force: true });
    },
  };
}
