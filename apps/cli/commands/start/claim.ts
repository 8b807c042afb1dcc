import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { CommandFailed } from "../../command.ts";
import { errorCode } from "../../private-file.ts";

// A claim's name is the process and the time it began, so that a number given to a later process is not taken for it.
const CLAIM_NAME = /^(\d{1,10})\.(\d{1,20})$/;
const START_TIME_FIELD = 19;

/**
 * Claims a data directory for this process: its own file first, then a look at the others'.
 *
 * Whoever sees a living one steps back, so two never hold it at once; two that start in the same instant may both step
 * back, and both are told why. The file of a process that died (`kill -9`, a power cut) is removed without doubt,
 * because its name can never belong to anybody else. Holds within one machine; containers that share a volume are kept
 * apart by PostgreSQL's own lock.
 *
 * @returns Gives the directory back.
 */
export function claimDataDirectory(runFolder: string, pid: number): () => void {
  const folder = join(runFolder, "claims");
  const own = join(folder, `${pid}.${processStart(pid)}`);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  writeFileSync(own, "", { mode: 0o600 });
  const release = (): void => rmSync(own, { force: true });
  for (const name of readdirSync(folder)) {
    const other = join(folder, name);
    if (other === own) continue;
    const holder = livingHolder(name);
    if (holder !== undefined) {
      release();
      throw new CommandFailed(`the data directory is in use by another "ringwall start" (process ${holder})`, {
        wayOut: `Stop that one (kill ${holder}), or name another folder and ports: --data DIR --port N --bank-port N`,
      });
    }
    rmSync(other, { force: true });
  }
  return release;
}

/** The process that holds a data directory now, if one does. Changes nothing. */
export function claimHolder(runFolder: string): number | undefined {
  const folder = join(runFolder, "claims");
  if (!existsSync(folder)) return undefined;
  return readdirSync(folder)
    .map(livingHolder)
    .find((holder) => holder !== undefined);
}

function livingHolder(claim: string): number | undefined {
  const parts = CLAIM_NAME.exec(claim);
  if (parts === null) return undefined;
  const pid = Number(parts[1]);
  return isAlive(pid) && processStart(pid) === parts[2] ? pid : undefined;
}

function isAlive(pid: number): boolean {
  try {
    // tidy-allow(process): asking whether a process lives has no other way, and changes nothing.
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // EPERM: there is such a process, and it is somebody else's.
    return errorCode(error) === "EPERM";
  }
}

/** The kernel's ticks since boot at which a process began; "0" where there is no /proc or no such process. */
export function processStart(pid: number): string {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    // The name, in parentheses, may hold spaces and parentheses; the fields after the last one do not.
    return stat.slice(stat.lastIndexOf(")") + 2).split(" ")[START_TIME_FIELD] ?? "0";
  } catch {
    return "0";
  }
}
