import { hash } from "node:crypto";
import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { isoTime } from "ringwall/core";
import { type ContentsFacts, exportContents } from "ringwall/migrations";
import type { Context, Input } from "../../command.ts";
import { CommandFailed } from "../../command.ts";
import { showRow } from "../answer.ts";
import { findInstallation } from "../local-target.ts";
import { asOwner } from "../owner-connection.ts";
import { ArchiveWriter } from "./archive.ts";
import { FILES, MANIFEST, MANIFEST_SUM, type Manifest, TABLES } from "./manifest.ts";
import { keyFiles, superuserTarget } from "./source.ts";

const WARNING = "it holds every key and is not encrypted: encrypt it before it leaves this machine";

/** Behind `backup`, in a module of its own so that other commands do not load a database driver. */
export async function writeBackup(input: Input, context: Context, out: string): Promise<void> {
  const { machine } = context;
  const path = resolve(machine.cwd, out);
  if (existsSync(path)) throw new CommandFailed(`${path} is there already, and is not overwritten`);
  const installation = await findInstallation(input, machine);
  const target = await superuserTarget(input, machine, installation);
  // Before the snapshot: a copied head must not be ahead of the database that it is restored with.
  const files = keyFiles(installation.paths, installation.config);
  const archive = new ArchiveWriter(path);
  let contents: ContentsFacts;
  try {
    for (const [name, content] of files) archive.add(`${FILES}/${name}`, content);
    contents = await asOwner(target, (db) => exportContents(db, tableWriter(archive)));
    const manifest: Manifest = {
      format: "ringwall-backup-1",
      made_at: isoTime(context.clock()),
      contents: structuredClone(contents) as Manifest["contents"],
      entries: [...archive.entries],
    };
    const text = JSON.stringify(manifest);
    archive.add(MANIFEST, Buffer.from(text));
    archive.add(MANIFEST_SUM, Buffer.from(`${hash("sha256", text)}\n`));
    archive.finish();
  } catch (error) {
    archive.abandon();
    throw error;
  }
  const rows = contents.tables.reduce((sum, table) => sum + table.rows, 0);
  const facts = { file: path, tables: contents.tables.length, rows, encrypted: false };
  showRow(input, context, facts, `wrote ${path}: ${rows} rows of ${contents.tables.length} tables, and the key files`);
  context.stderr(`${path}: ${WARNING}`);
}

/** One file for some hundred rows: `tables/0003/000001.json` is the second part of the fourth table. */
function tableWriter(archive: ArchiveWriter): Parameters<typeof exportContents>[1] {
  const numbers = new Map<string, { readonly table: number; parts: number }>();
  return ({ schema, name }, rows) => {
    const key = JSON.stringify([schema, name]);
    const place = numbers.get(key) ?? { table: numbers.size, parts: 0 };
    numbers.set(key, place);
    archive.add(partName(place.table, place.parts), Buffer.from(JSON.stringify([schema, name, rows])));
    place.parts += 1;
  };
}

function partName(table: number, part: number): string {
  return `${TABLES}/${String(table).padStart(4, "0")}/${String(part).padStart(6, "0")}.json`;
}
