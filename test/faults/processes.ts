import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { join } from "node:path";

/** Why the processes of a running system cannot be looked at here, for the name of the skipped test. */
export function processesHidden(): string | undefined {
  return process.platform === "linux" ? undefined : "processes are found by /proc, which only Linux has";
}

/** Every process whose arguments hold both texts: a script, and a path that belongs to one test alone. */
export function findProcesses(...texts: readonly string[]): readonly number[] {
  return processes().filter((pid) => {
    const command = readQuietly(`/proc/${pid}/cmdline`);
    return command !== undefined && texts.every((text) => command.includes(text));
  });
}

/** The postmaster of a data folder, while it lives. */
export function postmasterOf(pgdata: string): number | undefined {
  const pid = Number(readQuietly(join(pgdata, "postmaster.pid"))?.split("\n")[0]);
  return Number.isSafeInteger(pid) && pid > 1 && workIn(pgdata).includes(pid) ? pid : undefined;
}

/** Sends a signal to every PostgreSQL process of a data folder, the postmaster first so that it replaces none. */
export function signalAll(pgdata: string, name: NodeJS.Signals): void {
  const postmaster = postmasterOf(pgdata);
  if (postmaster !== undefined) signal(postmaster, name);
  for (const pid of backendsOf(pgdata)) signal(pid, name);
}

/** All PostgreSQL processes of a data folder but the postmaster: sessions, and those that write in the background. */
export function backendsOf(pgdata: string): readonly number[] {
  const postmaster = postmasterOf(pgdata);
  return workIn(pgdata).filter((pid) => pid !== postmaster);
}

/** PostgreSQL's processes all have the data folder as their working directory. */
function workIn(pgdata: string): readonly number[] {
  return processes().filter((pid) => {
    try {
      return readlinkSync(`/proc/${pid}/cwd`) === pgdata && !isZombie(pid);
    } catch {
      return false;
    }
  });
}

export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return !isZombie(pid);
  } catch {
    return false;
  }
}

/** Sends a signal. A process that is gone already is fine: it was to be ended, or will not be paused any more. */
export function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "ESRCH")) throw error;
  }
}

function isZombie(pid: number): boolean {
  const stat = readQuietly(`/proc/${pid}/stat`) ?? "";
  return stat.slice(stat.lastIndexOf(")") + 2).startsWith("Z");
}

function processes(): readonly number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(Number);
}

function readQuietly(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
}
