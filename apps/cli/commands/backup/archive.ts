import { createHash, hash } from "node:crypto";
import { closeSync, fstatSync, fsyncSync, openSync, readSync, renameSync, rmSync, writeSync } from "node:fs";
import { CommandFailed } from "../../command.ts";
import { errorCode, PRIVATE_MODE } from "../../private-file.ts";

/** One file in an archive, and what its bytes must be. */
export interface Entry {
  readonly name: string;
  readonly bytes: number;
  readonly sha256: string;
}

const BLOCK = 512;
/** One file of an archive is read into memory at once. */
const ENTRY_BYTES_MAX = 64 * 1_048_576;
/** What the eleven octal digits of a length hold. */
const FILE_BYTES_MAX = 8 * 1_073_741_824 - 1;
const PIECE_BYTES = 1_048_576;
const NAME_PATTERN = /^[a-z0-9][A-Za-z0-9._/-]{0,98}$/;

/** Writes a tar file (POSIX ustar) that only its owner can read, whole or not at all. */
export class ArchiveWriter {
  readonly #path: string;
  readonly #part: string;
  readonly #file: number;
  readonly #entries: Entry[] = [];

  /** @param part - Where it is written until it is whole. */
  constructor(path: string, part = `${path}.part`) {
    this.#path = path;
    this.#part = part;
    rmSync(this.#part, { force: true });
    try {
      this.#file = openSync(this.#part, "wx", PRIVATE_MODE);
    } catch (cause) {
      throw new CommandFailed(`${path} cannot be written (${errorCode(cause)})`, { cause });
    }
  }

  get entries(): readonly Entry[] {
    return this.#entries;
  }

  add(name: string, content: Buffer): void {
    writeAll(this.#file, header(name, content.length));
    writeAll(this.#file, content);
    writeAll(this.#file, Buffer.alloc((BLOCK - (content.length % BLOCK)) % BLOCK));
    this.#entries.push({ name, bytes: content.length, sha256: hash("sha256", content) });
  }

  /** A file of any length, read a piece at a time. */
  addFile(name: string, path: string): void {
    const source = openSync(path, "r");
    try {
      const { size } = fstatSync(source);
      if (size > FILE_BYTES_MAX) throw new CommandFailed(`${path} is too long for one file of an archive`);
      writeAll(this.#file, header(name, size));
      const sum = createHash("sha256");
      const piece = Buffer.alloc(Math.min(PIECE_BYTES, Math.max(1, size)));
      for (let left = size; left > 0; ) {
        const count = readSync(source, piece, 0, Math.min(piece.length, left), null);
        if (count === 0) throw new CommandFailed(`${path} became shorter while it was read`);
        writeAll(this.#file, piece.subarray(0, count));
        sum.update(piece.subarray(0, count));
        left -= count;
      }
      writeAll(this.#file, Buffer.alloc((BLOCK - (size % BLOCK)) % BLOCK));
      this.#entries.push({ name, bytes: size, sha256: sum.digest("hex") });
    } finally {
      closeSync(source);
    }
  }

  finish(): void {
    writeAll(this.#file, Buffer.alloc(2 * BLOCK));
    fsyncSync(this.#file);
    closeSync(this.#file);
    renameSync(this.#part, this.#path);
  }

  abandon(): void {
    closeSync(this.#file);
    rmSync(this.#part, { force: true });
  }
}

/** Writes as often as it takes: a system may take fewer bytes than it was given. */
function writeAll(file: number, bytes: Buffer): void {
  for (let done = 0; done < bytes.length; ) done += writeSync(file, bytes, done);
}

function header(name: string, bytes: number): Buffer {
  const block = Buffer.alloc(BLOCK);
  const octal = (value: number, at: number, digits: number): void => {
    block.write(`${value.toString(8).padStart(digits, "0")}\0`, at, "latin1");
  };
  block.write(name, 0, 100, "latin1");
  octal(PRIVATE_MODE, 100, 7);
  octal(0, 108, 7);
  octal(0, 116, 7);
  octal(bytes, 124, 11);
  octal(0, 136, 11);
  block.write("        0", 148, "latin1");
  block.write("ustar\x0000", 257, "latin1");
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148, "latin1");
  return block;
}

/** Reads an archive's files one after the other. @throws CommandFailed for anything that `ArchiveWriter` does not write. */
export function* readArchive(path: string): Generator<{ readonly name: string; readonly content: Buffer }> {
  let file: number;
  try {
    file = openSync(path, "r");
  } catch (cause) {
    throw new CommandFailed(`${path} cannot be read (${errorCode(cause)})`, { cause });
  }
  try {
    for (;;) {
      const block = readExactly(file, BLOCK, path);
      if (block.every((byte) => byte === 0)) return;
      const { name, bytes } = parseHeader(block, path);
      const content = readExactly(file, bytes, path);
      const padding = readExactly(file, (BLOCK - (bytes % BLOCK)) % BLOCK, path);
      if (padding.some((byte) => byte !== 0)) throw damaged(path);
      yield { name, content };
    }
  } finally {
    closeSync(file);
  }
}

function parseHeader(block: Buffer, path: string): { name: string; bytes: number } {
  const text = (at: number, length: number): string => block.toString("latin1", at, at + length).split("\0")[0] ?? "";
  const stated = Number.parseInt(text(148, 8), 8);
  const sum = block.reduce((total, byte, at) => total + (at >= 148 && at < 156 ? 0x20 : byte), 0);
  const [name, bytes] = [text(0, 100), Number.parseInt(text(124, 12), 8)];
  const fits = sum === stated && NAME_PATTERN.test(name) && !name.includes("..") && text(156, 1) === "0";
  if (!fits || !(bytes >= 0 && bytes <= ENTRY_BYTES_MAX)) throw damaged(path);
  return { name, bytes };
}

function readExactly(file: number, bytes: number, path: string): Buffer {
  const buffer = Buffer.alloc(bytes);
  for (let done = 0; done < bytes; ) {
    const count = readSync(file, buffer, done, bytes - done, null);
    if (count === 0) throw damaged(path);
    done += count;
  }
  return buffer;
}

/** What is said of any file that is not exactly as it was written. */
export function damaged(path: string): CommandFailed {
  return new CommandFailed(`${path} is no backup of Ringwall's, or is damaged; nothing was restored`);
}
