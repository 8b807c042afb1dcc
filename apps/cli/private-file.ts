import { chmodSync, closeSync, fsyncSync, openSync, renameSync, rmSync, writeSync } from "node:fs";
import { dirname, join } from "node:path";
import { randomToken } from "ringwall/core";

/** Read and written by the owner alone. */
export const PRIVATE_MODE = 0o600;

/**
 * Writes a file with mode 0600, whole or not at all: into a new file beside it, synced, then renamed over it.
 */
export function writePrivateFile(path: string, content: string): void {
  const temporary = join(dirname(path), `.${randomToken(9)}.part`);
  const file = openSync(temporary, "wx", PRIVATE_MODE);
  try {
    writeSync(file, content);
    fsyncSync(file);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  } finally {
    closeSync(file);
  }
  // The umask may have taken bits away; nothing may have added any.
  chmodSync(temporary, PRIVATE_MODE);
  renameSync(temporary, path);
}

/** The system's code of a failed call ("ENOENT"), for messages. */
export function errorCode(error: unknown): string {
  return error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : "unknown";
}
