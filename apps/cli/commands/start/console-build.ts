import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import type { Context } from "../../command.ts";

const BUILD_SCRIPT = fileURLToPath(new URL("../../../console/main.ts", import.meta.url));
const REASON_CHARACTERS = 300;

/**
 * Builds the console when it is missing or older than its sources, in a process of its own. Never fails a start: what the
 * console does, the API and the commands do as well.
 */
export async function buildConsole({ clock, machine, signal, stderr }: Context): Promise<void> {
  if (!existsSync(BUILD_SCRIPT)) {
    stderr("console ... not installed, skipped");
    return;
  }
  const startedMs = clock();
  const child = spawn(machine.nodePath, ["--conditions=source", BUILD_SCRIPT], {
    stdio: ["ignore", "pipe", "pipe"],
    env: machine.childEnvironment,
    // A session of its own: a Ctrl-C at the terminal reaches it through the supervisor alone.
    detached: true,
  });
  const interrupt = (): void => void child.kill("SIGTERM");
  signal.addEventListener("abort", interrupt, { once: true });
  let building = false;
  child.stdout.once("data", () => {
    building = true;
    stderr("console ... building");
  });
  const complaint = text(child.stderr);
  try {
    await once(child, "close");
  } catch {
    // A program that cannot be started has no exit code, and is reported as any other failure.
  }
  signal.removeEventListener("abort", interrupt);
  if (child.exitCode === 0) {
    if (building) stderr(`console ... ready in ${((clock() - startedMs) / 1_000).toFixed(1)} s`);
    return;
  }
  if (signal.aborted) return;
  const reason = (await complaint).trim().split("\n")[0]?.slice(0, REASON_CHARACTERS) ?? "";
  stderr(`console ... not built, so there is only the API: ${reason}`);
}
