import { hash } from "node:crypto";
import { z } from "zod";
import { damaged, readArchive } from "./archive.ts";

export const MANIFEST = "manifest.json";
/** Of the manifest, against damage. Whoever can write the file can write this too: keep backups where that is nobody. */
export const MANIFEST_SUM = "manifest.json.sha256";
/** Where the rows of a table stand: by number, since a table's name may hold anything. */
export const TABLES = "tables";
/** Files of the data directory, under their own names. */
export const FILES = "files";

const Names = z.array(z.string());
const Manifest = z.strictObject({
  format: z.literal("ringwall-backup-1"),
  made_at: z.string(),
  contents: z.strictObject({
    migrations: Names,
    applications: z.array(z.strictObject({ application: z.string(), names: Names })),
    tables: z.array(z.strictObject({ schema: z.string(), name: z.string(), rows: z.int().min(0) })),
    sequences: z.array(z.strictObject({ schema: z.string(), name: z.string(), value: z.string().regex(/^-?\d+$/) })),
    clients: z.array(z.strictObject({ role: z.string(), verifier: z.string().regex(/^SCRAM-SHA-256\$[\x21-\x7e]+$/) })),
  }),
  entries: z.array(z.strictObject({ name: z.string(), bytes: z.int(), sha256: z.string() })),
});
export type Manifest = z.output<typeof Manifest>;

/**
 * Reads a backup to its end and holds every file of it against the manifest, before anything is done with any.
 * @throws CommandFailed when a byte is not as it was written, or a file is missing or too many.
 */
export function checkBackup(path: string): Manifest {
  const found: Manifest["entries"] = [];
  let text: string | undefined;
  let sum: string | undefined;
  for (const { name, content } of readArchive(path)) {
    if (name === MANIFEST && text === undefined) text = content.toString("utf8");
    else if (name === MANIFEST_SUM && sum === undefined) sum = content.toString("utf8").trim();
    else found.push({ name, bytes: content.length, sha256: hash("sha256", content) });
  }
  if (text === undefined || sum !== hash("sha256", text)) throw damaged(path);
  const manifest = Manifest.safeParse(parse(text, path));
  if (!manifest.success || JSON.stringify(manifest.data.entries) !== JSON.stringify(found)) throw damaged(path);
  return manifest.data;
}

function parse(text: string, path: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    throw damaged(path);
  }
}
