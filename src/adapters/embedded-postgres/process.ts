import { existsSync, readdirSync, readFileSync, readlinkSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { invalid } from "./account.ts";

const POLL_MS = 20;
/** A fast shutdown writes a checkpoint, which on a slow disk takes seconds. */
export const SHUTDOWN_MS = 30_000;
const IMMEDIATE_SHUTDOWN_MS = 10_000;
const CLAIM_FILE = "owner.pid";

export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    // A zombie answers to signals too.
    return processState(pid) !== "Z";
  } catch (error) {
    return errorCode(error) === "EPERM";
  }
}

/** The one-letter state and the start time of a process where /proc exists; undefined elsewhere. */
function readStat(pid: number): readonly string[] | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    // The name, in parentheses, may hold spaces; the fields after it do not.
    return stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  } catch {
    return undefined;
  }
}

function processState(pid: number): string | undefined {
  return readStat(pid)?.[0];
}

/** Tells a process from a later one with the same number. Field 22 of /proc/PID/stat; empty where there is no /proc. */
function startMark(pid: number): string {
  return readStat(pid)?.[19] ?? "";
}

export function errorCode(error: unknown): string | undefined {
  return error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : undefined;
}

/** The number in the first line of postmaster.pid, when that process lives and is a postgres of this data folder. */
export function findPostmaster(pgdata: string): number | undefined {
  let pid: number;
  try {
    pid = Number(readFileSync(join(pgdata, "postmaster.pid"), "utf8").split("\n")[0]);
  } catch {
    return undefined;
  }
  if (!Number.isSafeInteger(pid) || pid <= 1 || !isAlive(pid)) return undefined;
  try {
    const command = readFileSync(`/proc/${pid}/cmdline`, "utf8");
    return command.includes("postgres") && command.includes(pgdata) ? pid : undefined;
  } catch {
    // No /proc: believe the file, as postgres itself does.
    return pid;
  }
}

/** True once the postmaster wrote that it accepts connections. */
export function isReady(pgdata: string, pid: number): boolean {
  try {
    const lines = readFileSync(join(pgdata, "postmaster.pid"), "utf8").split("\n");
    return Number(lines[0]) === pid && lines[7]?.trim() === "ready";
  } catch {
    return false;
  }
}

/** Fast shutdown (SIGINT: sessions are ended, a checkpoint is written); immediate when that takes too long. */
export async function shutDown(pid: number): Promise<void> {
  if (await signalAndWait(pid, "SIGINT", SHUTDOWN_MS)) return;
  if (await signalAndWait(pid, "SIGQUIT", IMMEDIATE_SHUTDOWN_MS)) return;
  throw invalid(`the PostgreSQL process ${pid} of this data folder does not stop; end it by hand and start again`);
}

/**
 * Clears up after a postmaster that died by itself: ends backends that still work in the folder, then removes its pid
 * file. PostgreSQL would do it, but takes a dead process that nobody reaped (a container without an init) for a living
 * one. Only where /proc shows that nobody is left; elsewhere PostgreSQL decides.
 */
export async function clearStale(pgdata: string): Promise<void> {
  const file = join(pgdata, "postmaster.pid");
  if (!existsSync(file) || readStat(process.pid) === undefined) return;
  for (const pid of processesIn(pgdata)) {
    if (!(await signalAndWait(pid, "SIGQUIT", IMMEDIATE_SHUTDOWN_MS))) {
      throw invalid(`process ${pid} still uses ${pgdata}; end it by hand and start again`);
    }
  }
  rmSync(file, { force: true });
}

/** PostgreSQL's processes all have the data folder as their working directory. */
function processesIn(pgdata: string): readonly number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .filter((name) => {
      try {
        return readlinkSync(`/proc/${name}/cwd`) === pgdata;
      } catch {
        return false;
      }
    })
    .map(Number);
}

async function signalAndWait(pid: number, signal: NodeJS.Signals, waitMs: number): Promise<boolean> {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if (errorCode(error) === "ESRCH") return true;
    throw error;
  }
  for (let waited = 0; waited < waitMs; waited += POLL_MS) {
    if (!isAlive(pid)) return true;
    await delay(POLL_MS);
  }
  return false;
}

function isClaimed(file: string): boolean {
  const [pid = "", mark = ""] = readFileSync(file, "utf8").trim().split(" ");
  return Number(pid) > 0 && isAlive(Number(pid)) && startMark(Number(pid)) === mark;
}

/**
 * Stops the server of a data folder whose Ringwall is gone, without starting another: for clearing up.
 * @returns False when the folder is in use, or is none of ours.
 */
export async function stopAbandoned(dataDir: string): Promise<boolean> {
  try {
    if (isClaimed(join(dataDir, CLAIM_FILE))) return false;
  } catch (error) {
    if (errorCode(error) === "ENOENT") return false;
    throw error;
  }
  const orphan = findPostmaster(join(dataDir, "pgdata"));
  if (orphan !== undefined) await shutDown(orphan);
  return true;
}

/**
 * Claims the data folder for this process, so that a second start does not take the first one's database for an orphan.
 * @returns Gives the folder back.
 */
export function claimFolder(dataDir: string): () => void {
  const file = join(dataDir, CLAIM_FILE);
  const claim = `${process.pid} ${startMark(process.pid)}\n`;
  for (let attempt = 0; attempt < 3; attempt += 1) {
    try {
      writeFileSync(file, claim, { flag: "wx", mode: 0o600 });
      return () => {
        rmSync(file, { force: true });
      };
    } catch (error) {
      if (errorCode(error) !== "EEXIST") throw error;
      if (isClaimed(file)) {
        throw invalid(`the data folder ${dataDir} is in use by another Ringwall; stop it or choose another folder`);
      }
      rmSync(file, { force: true });
    }
  }
  throw invalid(`the data folder ${dataDir} is being started by another process; try again`);
}
