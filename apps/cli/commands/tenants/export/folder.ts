import { createHash, type Hash } from "node:crypto";
import { closeSync, existsSync, fsyncSync, mkdirSync, openSync, renameSync, rmSync, writeSync } from "node:fs";
import { join } from "node:path";
import type { ExportedTable, ExportFacts, ExportSink } from "ringwall/data/upkeep";
import { CommandFailed } from "../../../command.ts";
import { errorCode, PRIVATE_MODE } from "../../../private-file.ts";
import { ArchiveWriter } from "../../backup/archive.ts";

const FOLDER_MODE = 0o700;
const STEM_CHARS_MAX = 80;
/** The one file by which an export is known to be whole: written last. */
const MANIFEST = "manifest.json";

/** One file of an export. */
interface WrittenFile {
  readonly file: string;
  readonly bytes: number;
  readonly sha256: string;
}

interface OpenFile {
  readonly file: string;
  readonly descriptor: number;
  readonly sum: Hash;
  bytes: number;
}

/** Rows go into a folder under another name, which gets its own when everything is on the disk. */
export class ExportFolder implements ExportSink {
  readonly #target: string;
  readonly #part: string;
  readonly #files: WrittenFile[] = [];
  #open: OpenFile | undefined;

  /** @throws CommandFailed when the target is there, or what an export that was killed has left. */
  constructor(target: string) {
    this.#target = target;
    this.#part = `${target}.part`;
    if (existsSync(target)) throw new CommandFailed(`${target} is there already`, { wayOut: "Name another place." });
    try {
      mkdirSync(this.#part, { mode: FOLDER_MODE });
    } catch (cause) {
      const wayOut = errorCode(cause) === "EEXIST" ? "An export was cut off there: remove it." : "Look at its folder.";
      throw new CommandFailed(`${this.#part} cannot be made (${errorCode(cause)})`, { wayOut, cause });
    }
  }

  async begin({ name, schema }: ExportedTable): Promise<void> {
    // Numbered, and of harmless letters: a table may have any name, and two may have nearly the same.
    const stem = `${schema}.${name}`
      .toLowerCase()
      .replaceAll(/[^a-z0-9_.]/g, "_")
      .slice(0, STEM_CHARS_MAX);
    const file = `${String(this.#files.length + 1).padStart(4, "0")}-${stem}.jsonl`;
    const descriptor = openSync(join(this.#part, file), "wx", PRIVATE_MODE);
    this.#open = { file, descriptor, sum: createHash("sha256"), bytes: 0 };
    await Promise.resolve();
  }

  async write(rows: readonly string[]): Promise<void> {
    const { descriptor, sum } = this.#opened();
    const bytes = Buffer.from(`${rows.join("\n")}\n`);
    writeAll(descriptor, bytes);
    sum.update(bytes);
    this.#opened().bytes += bytes.length;
    await Promise.resolve();
  }

  async end(): Promise<void> {
    const { bytes, descriptor, file, sum } = this.#opened();
    fsyncSync(descriptor);
    closeSync(descriptor);
    this.#open = undefined;
    this.#files.push({ file, bytes, sha256: sum.digest("hex") });
    await Promise.resolve();
  }

  /** The manifest's text, with what each file holds. */
  manifest(tenant: string, { leftOut, tables, takenAt }: ExportFacts): string {
    const described = tables.map((table, index) => ({
      schema: table.schema,
      table: table.name,
      rows: table.rows,
      columns: table.columns,
      columns_left_out: table.leftOut,
      ...this.#files[index],
    }));
    const facts = { schema: "ringwall.tenant.export.1", tenant, taken_at: takenAt };
    return `${JSON.stringify({ ...facts, tables: described, tables_left_out: leftOut }, undefined, 2)}\n`;
  }

  /** Gives everything its name: the folder itself, or one file of it. */
  finish(manifest: string): void {
    const path = join(this.#part, MANIFEST);
    const descriptor = openSync(path, "wx", PRIVATE_MODE);
    writeAll(descriptor, Buffer.from(manifest));
    fsyncSync(descriptor);
    closeSync(descriptor);
    if (!this.#target.endsWith(".tar")) {
      syncFolder(this.#part);
      renameSync(this.#part, this.#target);
      return;
    }
    // Beside the folder's own name, which ends in .part as well.
    const archive = new ArchiveWriter(this.#target, `${this.#target}.packing`);
    try {
      // First, so that whoever reads knows what follows.
      archive.addFile(MANIFEST, path);
      for (const { file } of this.#files) archive.addFile(file, join(this.#part, file));
      archive.finish();
    } catch (error) {
      archive.abandon();
      throw error;
    }
    rmSync(this.#part, { recursive: true, force: true });
  }

  /** Leaves nothing behind. */
  abandon(): void {
    if (this.#open !== undefined) closeSync(this.#open.descriptor);
    this.#open = undefined;
    rmSync(this.#part, { recursive: true, force: true });
  }

  #opened(): OpenFile {
    if (this.#open === undefined) throw new TypeError("no table is open");
    return this.#open;
  }
}

function writeAll(descriptor: number, bytes: Buffer): void {
  for (let done = 0; done < bytes.length; ) done += writeSync(descriptor, bytes, done);
}

/** So that the names in it are on the disk before the folder's own is. */
function syncFolder(path: string): void {
  const descriptor = openSync(path, "r");
  fsyncSync(descriptor);
  closeSync(descriptor);
}
