import { chmodSync, closeSync, constants, fsyncSync, openSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { dirname, join } from "node:path";
import { RingwallError, randomToken } from "../../core/index.ts";

const OTHERS = 0o077;
/** Read and written by the owner alone. */
const PRIVATE_MODE = 0o600;

/**
 * Reads a small file that its owner alone may read: a password, a key. Checked on the open file, so that it cannot be
 * exchanged between the check and the reading; a symbolic link is not followed, and a pipe is not waited for.
 *
 * @param options.uid - This process's user, where there is such a thing (left out or -1 where not): the file must belong
 * to it or to root.
 * @throws RingwallError `config.invalid` that names the file and the way out, never anything of its content. The cause
 * of a file that cannot be opened is the system's own error.
 */
export async function readPrivateFile(
  path: string,
  options: { readonly bytesMax: number; readonly uid?: number | undefined },
): Promise<string> {
  const file = await openPlain(path);
  try {
    const { bytesMax, uid = -1 } = options;
    const stat = await file.stat();
    if (!stat.isFile()) throw refused(path, "is not a regular file");
    if ((stat.mode & OTHERS) !== 0) throw refused(path, `can be read by others; run chmod 600 ${path}`);
    if (uid >= 0 && stat.uid !== uid && stat.uid !== 0) {
      throw refused(path, "belongs to another user of this machine; run chown on it, then chmod 600");
    }
    if (stat.size > bytesMax) throw refused(path, `is larger than ${bytesMax} bytes`);
    return await readBounded(file, bytesMax, path);
  } finally {
    await file.close();
  }
}

/** The size was asked before: what grows meanwhile, or tells no size, is read no further than the limit. */
async function readBounded(file: FileHandle, bytesMax: number, path: string): Promise<string> {
  const buffer = Buffer.alloc(bytesMax + 1);
  let length = 0;
  for (;;) {
    const { bytesRead } = await file.read(buffer, length, buffer.length - length, null);
    length += bytesRead;
    if (length > bytesMax) throw refused(path, `is larger than ${bytesMax} bytes`);
    if (bytesRead > 0) continue;
    const text = buffer.toString("utf8", 0, length);
    buffer.fill(0);
    return text;
  }
}

async function openPlain(path: string): Promise<FileHandle> {
  try {
    return await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (cause) {
    const code = cause instanceof Error && "code" in cause ? String(cause.code) : "unknown";
    if (code === "ELOOP") throw refused(path, "is a symbolic link; name the file that it leads to", cause);
    throw refused(path, `cannot be read (${code}); give it to the user that runs Ringwall`, cause);
  }
}

/**
 * Writes a file with mode 0600, whole or not at all: into a new file beside it, synced, then renamed over it. At once:
 * this is for starts and commands, not for requests.
 * @throws Error of the system, with its code: the folder takes no file, the disk is full.
 */
export function writePrivateFile(path: string, content: string): void {
  const temporary = join(dirname(path), `.${randomToken(9)}.part`);
  try {
    const file = openSync(temporary, "wx", PRIVATE_MODE);
    try {
      writeFileSync(file, content);
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
    // The umask may have taken bits away; nothing may have added any.
    chmodSync(temporary, PRIVATE_MODE);
    renameSync(temporary, path);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  }
}

/** Whether `readPrivateFile` failed because there is no such file. */
export function isMissingFile(error: unknown): boolean {
  const cause = error instanceof RingwallError ? error.cause : undefined;
  return cause instanceof Error && "code" in cause && cause.code === "ENOENT";
}

function refused(path: string, why: string, cause?: unknown): RingwallError {
  return new RingwallError("config.invalid", { message: `the file ${path} ${why}`, cause });
}
