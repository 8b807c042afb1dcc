import { constants } from "node:fs";
import { type FileHandle, mkdir, open, stat } from "node:fs/promises";
import { dirname } from "node:path";
import { assert, RingwallError } from "../../core/index.ts";
import type { ErasureLedger } from "../../data/erasure/index.ts";

const FILE_MODE = 0o600;
const FOLDER_MODE = 0o700;
const NEWLINE = 0x0a;
const READ_BYTES = 65_536;
// A certificate of a tenant with every version of every key has some 60 KiB.
const LINE_BYTES_MAX = 262_144;

/**
 * Erasure orders and certificates in one file, a line each, only ever appended to and synced before a line counts. A line
 * that a crash cut off was never acknowledged: reading skips it, and the next append removes it.
 *
 * The file belongs where restores of the database do not reach, and into backups of its own: it is what keeps a restored
 * database erased.
 *
 * @throws RingwallError `config.invalid` when others may write to its folder.
 */
export async function fileErasureLedger(path: string): Promise<ErasureLedger> {
  const folder = dirname(path);
  await mkdir(folder, { recursive: true, mode: FOLDER_MODE });
  const { mode } = await stat(folder);
  if ((mode & 0o022) !== 0) {
    throw new RingwallError("config.invalid", { message: "the folder of the erasure ledger is writable for others" });
  }
  let isNew = true;
  let last: Promise<unknown> = Promise.resolve();
  const append = async (line: string): Promise<void> => {
    const file = await open(
      path,
      constants.O_RDWR | constants.O_APPEND | constants.O_CREAT | constants.O_NOFOLLOW,
      FILE_MODE,
    );
    try {
      await cutTornLine(file);
      const bytes = Buffer.from(`${line}\n`);
      const { bytesWritten } = await file.write(bytes);
      assert(bytesWritten === bytes.length, "a line of the ledger is written whole");
      await file.sync();
    } finally {
      await file.close();
    }
    // The name of a new file is durable only after its folder was synced.
    if (isNew) await syncFolder(folder);
    isNew = false;
  };
  return {
    async append(line) {
      assert(!line.includes("\n") && line.length < LINE_BYTES_MAX, "a statement is one line");
      const next = last.then(() => append(line));
      last = next.catch(() => {});
      await next;
    },
    read: () => readLines(path),
  };
}

async function cutTornLine(file: FileHandle): Promise<void> {
  const { size } = await file.stat();
  const from = Math.max(0, size - LINE_BYTES_MAX);
  const tail = Buffer.alloc(size - from);
  await file.read(tail, 0, tail.length, from);
  const whole = from + tail.lastIndexOf(NEWLINE) + 1;
  if (whole < size) await file.truncate(whole);
}

async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, "r");
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

async function* readLines(path: string): AsyncGenerator<string, void, undefined> {
  let file: FileHandle;
  try {
    file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW);
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return;
    throw error;
  }
  try {
    let rest: Buffer = Buffer.alloc(0);
    const chunk = Buffer.allocUnsafe(READ_BYTES);
    for (let at = 0; ; ) {
      const { bytesRead } = await file.read(chunk, 0, READ_BYTES, at);
      if (bytesRead === 0) return; // What is left in `rest` has no newline: never acknowledged.
      at += bytesRead;
      rest = Buffer.concat([rest, chunk.subarray(0, bytesRead)]);
      for (let end = rest.indexOf(NEWLINE); end !== -1; end = rest.indexOf(NEWLINE)) {
        yield rest.toString("utf8", 0, end);
        rest = rest.subarray(end + 1);
      }
      if (rest.length > LINE_BYTES_MAX) {
        throw new RingwallError("config.invalid", { message: "the erasure ledger holds a line that is none of ours" });
      }
    }
  } finally {
    await file.close();
  }
}
