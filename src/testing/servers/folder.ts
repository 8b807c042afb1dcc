import { chownSync, globSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Account } from "../../adapters/embedded-postgres/index.ts";

const CLAIM = "claim";

/** A temporary folder of a server that a test starts. */
export interface ServerFolder {
  readonly path: string;
  /** Notes the server's process, so that a later run can clear up when this one is killed. */
  claim(server: number): void;
  remove(): void;
}

/** Makes a folder that the account owns, after clearing up what killed runs left behind under this name. */
export function serverFolder(name: string, account: Account | undefined): ServerFolder {
  const prefix = join(tmpdir(), `rw-${name}-`);
  for (const folder of globSync(`${prefix}*`)) clearUp(folder);
  const path = mkdtempSync(prefix);
  const claim = (server: number): void => writeFileSync(join(path, CLAIM), `${process.pid} ${server}`);
  claim(0);
  if (account !== undefined) chownSync(path, account.uid, account.gid);
  return { path, claim, remove: () => rmSync(path, { recursive: true, force: true, maxRetries: 5 }) };
}

/** A folder is left over when its test process is gone; a server in it is ended first. */
function clearUp(folder: string): void {
  let owner: number;
  let server: number;
  try {
    [owner = 0, server = 0] = readFileSync(join(folder, CLAIM), "utf8").split(" ").map(Number);
  } catch {
    // Being made, or being removed, by another run.
    return;
  }
  if (owner <= 0 || commandOf(owner) !== undefined) return;
  // Only a process that names the folder is the server: numbers are given again.
  if (server > 0 && commandOf(server)?.includes(folder) === true) process.kill(server, "SIGKILL");
  rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
}

/** Undefined when there is no such process; empty where there is no /proc, so that nothing is cleared up there. */
function commandOf(pid: number): string | undefined {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8");
  } catch {
    return process.platform === "linux" ? undefined : "";
  }
}
