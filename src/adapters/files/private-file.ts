import { constants } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { RingwallError } from "../../core/index.ts";

const OTHERS = 0o077;

/**
 * Reads a small file that its owner alone may read: a password, a key. Checked on the open file, so that it cannot be
 * exchanged between the check and the reading; a symbolic link is not followed, and a pipe is not waited for.
 *
 * @param options.uid - This process's user, where there is such a thing: the file must belong to it or to root.
 * @throws RingwallError `config.invalid` that names the file and the way out, never anything of its content.
 */
export async function readPrivateFile(
  path: string,
  options: { readonly bytesMax: number; readonly uid?: number | undefined },
): Promise<string> {
  const file = await openPlain(path);
  try {
    const stat = await file.stat();
    if (!stat.isFile() || stat.size > options.bytesMax) throw refused(path, "is not such a file");
    if ((stat.mode & OTHERS) !== 0) throw refused(path, "can be read by others; run chmod 600 on it");
    if (options.uid !== undefined && stat.uid !== options.uid && stat.uid !== 0) {
      throw refused(path, "belongs to another user of this machine; run chown on it");
    }
    return await file.readFile("utf8");
  } finally {
    await file.close();
  }
}

async function openPlain(path: string): Promise<FileHandle> {
  try {
    return await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (cause) {
    throw refused(path, "cannot be opened", cause);
  }
}

function refused(path: string, why: string, cause?: unknown): RingwallError {
  return new RingwallError("config.invalid", { message: `the file ${path} ${why}`, cause });
}
