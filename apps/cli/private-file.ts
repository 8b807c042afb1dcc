import {
  chmodSync,
  closeSync,
  constants,
  fstatSync,
  fsyncSync,
  openSync,
  readSync,
  renameSync,
  rmSync,
  writeSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { randomToken } from "ringwall/core";
import { CommandFailed } from "./command.ts";

/** Read and written by the owner alone. */
export const PRIVATE_MODE = 0o600;
const OTHERS = 0o077;

/**
 * Reads a small file that only its owner may read. Opened first and checked on the open file, so that it cannot be
 * exchanged between the check and the reading.
 * @throws CommandFailed when it is missing, too large, not a regular file, or open to others.
 */
export function readPrivateFile(path: string, bytesMax: number, uid: number): string {
  const file = open(path);
  try {
    const stat = fstatSync(file);
    if (!stat.isFile()) throw new CommandFailed(`${path} is not a regular file`);
    if (uid >= 0 && stat.uid !== uid && stat.uid !== 0) {
      throw new CommandFailed(`${path} belongs to another user`, {
        wayOut: `chown it to yourself, then chmod 600 ${path}`,
      });
    }
    if (uid >= 0 && (stat.mode & OTHERS) !== 0) {
      throw new CommandFailed(`${path} can be read by others`, { wayOut: `chmod 600 ${path}` });
    }
    if (stat.size > bytesMax) throw new CommandFailed(`${path} is larger than ${bytesMax} bytes`);
    return readAll(file, bytesMax, path);
  } finally {
    closeSync(file);
  }
}

function open(path: string): number {
  try {
    // Without O_NONBLOCK, opening a named pipe would wait for a writer for ever.
    return openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (error) {
    throw new CommandFailed(`${path} cannot be read (${errorCode(error)})`, { cause: error });
  }
}

function readAll(file: number, bytesMax: number, path: string): string {
  const buffer = Buffer.alloc(bytesMax + 1);
  let length = 0;
  for (;;) {
    const count = readSync(file, buffer, length, buffer.length - length, null);
    length += count;
    if (length > bytesMax) throw new CommandFailed(`${path} is larger than ${bytesMax} bytes`);
    if (count === 0) return buffer.toString("utf8", 0, length);
  }
}

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
