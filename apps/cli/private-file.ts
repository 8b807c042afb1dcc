import { existsSync } from "node:fs";
import { readPrivateFile, writePrivateFile as writeWhole } from "ringwall/adapters/files";
import { PlainSecret } from "ringwall/core";
import { CommandFailed } from "./exit.ts";

/**
 * Writes a file with mode 0600, whole or not at all.
 * @throws CommandFailed that names the file, when its folder takes none or its disk is full.
 */
export function writePrivateFile(path: string, content: string): void {
  try {
    writeWhole(path, content);
  } catch (error) {
    const code = errorCode(error);
    const wayOut = code === "ENOSPC" ? "The disk is full: free some space." : "Look at the rights of its folder.";
    throw new CommandFailed(`${path} cannot be written (${code})`, { wayOut, cause: error });
  }
}

/** Read and written by the owner alone. */
export const PRIVATE_MODE = 0o600;

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
