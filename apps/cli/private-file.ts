import { chmodSync, closeSync, existsSync, fsyncSync, openSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { readPrivateFile } from "ringwall/adapters/files";
import { PlainSecret, randomToken } from "ringwall/core";
import { CommandFailed } from "./exit.ts";

/** Read and written by the owner alone. */
export const PRIVATE_MODE = 0o600;

/**
 * Writes a file with mode 0600, whole or not at all: into a new file beside it, synced, then renamed over it.
 * @throws CommandFailed that names the file, when its folder takes none or its disk is full.
 */
export function writePrivateFile(path: string, content: string): void {
  const temporary = join(dirname(path), `.${randomToken(9)}.part`);
  try {
    writeSynced(temporary, content);
    renameSync(temporary, path);
  } catch (error) {
    rmSync(temporary, { force: true });
    const code = errorCode(error);
    const wayOut = code === "ENOSPC" ? "The disk is full: free some space." : "Look at the rights of its folder.";
    throw new CommandFailed(`${path} cannot be written (${code})`, { wayOut, cause: error });
  }
}

function writeSynced(path: string, content: string): void {
  const file = openSync(path, "wx", PRIVATE_MODE);
  try {
    writeFileSync(file, content);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
  // The umask may have taken bits away; nothing may have added any.
  chmodSync(path, PRIVATE_MODE);
}

const SECRET_BYTES_MAX = 4_096;

/** The secret in a 0600 file, made at first use. */
export async function keptSecret(file: string, uid: number, make: () => string): Promise<PlainSecret> {
  if (!existsSync(file)) writePrivateFile(file, `${make()}\n`);
  return new PlainSecret((await readPrivateFile(file, { bytesMax: SECRET_BYTES_MAX, uid })).trim());
}

/** The system's code of a failed call ("ENOENT"), for messages. */
export function errorCode(error: unknown): string {
  return error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : "unknown";
}
