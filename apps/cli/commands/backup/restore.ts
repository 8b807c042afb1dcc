import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { importContents } from "ringwall/migrations";
import { z } from "zod";
import type { Context, Input } from "../../command.ts";
import { CommandFailed } from "../../command.ts";
import { checkTrustedFile } from "../../config-file.ts";
import { type DataPaths, dataDirectory, prepareDataDirectory } from "../../data-directory.ts";
import { PRIVATE_MODE } from "../../private-file.ts";
import { showRow } from "../answer.ts";
import { usesEmbeddedDatabase } from "../database-target.ts";
import { findInstallation } from "../local-target.ts";
import { migrateLocally } from "../migration.ts";
import { asOwner } from "../owner-connection.ts";
import { claimDataDirectory } from "../start/claim.ts";
import { embeddedDatabase } from "../start/database.ts";
import { readArchive } from "./archive.ts";
import { checkBackup, FILES, type Manifest, TABLES } from "./manifest.ts";
import { superuserTarget } from "./source.ts";

const BANK_MIGRATIONS = fileURLToPath(new URL("../../../../examples/bank/migrations/index.ts", import.meta.url));
const EXAMPLE_SCHEMA = "bank";
const DIRECTORY_MODE = 0o700;
/** What a backup may put into a data directory. */
const FILE_PATTERN = /^(?:(?:secrets|audit-heads)\/[A-Za-z0-9][A-Za-z0-9._-]{0,80}|ringwall\.config\.json)$/;

const Part = z.tuple([z.string(), z.string(), z.array(z.string())]);

/** Behind `restore`, in a module of its own so that other commands do not load a database driver. */
export async function restoreBackup(input: Input, context: Context, file: string): Promise<void> {
  const { machine } = context;
  const path = resolve(machine.cwd, file);
  const manifest = checkBackup(path);
  const root = dataDirectory(input.text("data"), machine);
  if (existsSync(root) && readdirSync(root).length > 0) {
    throw new CommandFailed(`the data directory ${root} is not empty`, { wayOut: "Name a new one: --data DIR" });
  }
  const paths = prepareDataDirectory(root, machine.uid);
  const release = claimDataDirectory(paths.run, machine.pid);
  try {
    writeFiles(path, paths);
    const { config } = await findInstallation(input, machine);
    const load = usesEmbeddedDatabase(config) ? loadEmbedded : loadExternal;
    await load(input, context, { path, paths, manifest });
    forgetNewPasswords(paths, manifest);
  } catch (error) {
    // Half a restored directory looks like a whole one to the next start; it was empty when we came.
    for (const name of readdirSync(root)) rmSync(join(root, name), { recursive: true, force: true });
    throw error;
  } finally {
    release();
  }
  const rows = manifest.contents.tables.reduce((sum, table) => sum + table.rows, 0);
  const facts = { data: root, made_at: manifest.made_at, rows };
  showRow(input, context, facts, `restored ${root} as of ${manifest.made_at}: ${rows} rows; sessions and links ended`);
}

function writeFiles(path: string, { root }: DataPaths): void {
  for (const { name, content } of readArchive(path)) {
    if (!name.startsWith(`${FILES}/`)) continue;
    const place = name.slice(FILES.length + 1);
    if (!FILE_PATTERN.test(place)) throw new CommandFailed(`${path} holds a file that belongs nowhere: ${place}`);
    mkdirSync(dirname(join(root, place)), { recursive: true, mode: DIRECTORY_MODE });
    writeFileSync(join(root, place), content, { flag: "wx", mode: PRIVATE_MODE });
  }
}

/**
 * Setting up made first passwords for applications' roles, which the copied ones have replaced. A file with one would be
 * taken for true at the next start.
 */
function forgetNewPasswords({ root }: DataPaths, { contents, entries }: Manifest): void {
  for (const { role } of contents.clients) {
    const place = `secrets/${role}.password`;
    if (!entries.some(({ name }) => name === `${FILES}/${place}`)) rmSync(join(root, place), { force: true });
  }
}

interface Loading {
  readonly path: string;
  readonly paths: DataPaths;
  readonly manifest: Manifest;
}

async function loadEmbedded(input: Input, context: Context, loading: Loading): Promise<void> {
  const { machine } = context;
  const bank = loading.manifest.contents.tables.some(({ schema }) => schema === EXAMPLE_SCHEMA);
  const given = modulePath(input, context);
  const applications = [
    ...(bank && given === undefined ? [BANK_MIGRATIONS] : []),
    ...(given === undefined ? [] : [given]),
  ];
  const { paths } = loading;
  const database = embeddedDatabase({ paths, uid: machine.uid, say: context.stderr, applications });
  const running = await database.service.start(context.signal);
  try {
    await asOwner(database.superuser(), (db) => importInto(db, loading));
  } finally {
    await running.stop();
  }
}

async function loadExternal(input: Input, context: Context, loading: Loading): Promise<void> {
  const { machine } = context;
  const installation = await findInstallation(input, machine);
  const target = await superuserTarget(input, machine, installation);
  const [client] = loading.manifest.contents.clients;
  const passwordFile = resolve(machine.cwd, input.text("admin-password") ?? "");
  const setup = { user: target.user, passwordFile, client: client?.role };
  await migrateLocally(input, context, { module: modulePath(input, context), setup });
  await asOwner(target, (db) => importInto(db, loading));
}

function modulePath(input: Input, { machine }: Context): string | undefined {
  const named = input.text("with");
  if (named === undefined) return undefined;
  const path = resolve(machine.cwd, named);
  checkTrustedFile(path, machine.uid);
  return path;
}

type Sql = Parameters<typeof importContents>[0];

async function importInto(db: Sql, { path, manifest }: Loading): Promise<void> {
  // One pass over the file: the tables stand in it in the order in which they are put in.
  const parts = tableParts(path);
  let next = parts.next();
  await importContents(db, manifest.contents, function* rowsOf({ schema, name }) {
    while (next.done !== true && next.value.schema === schema && next.value.name === name) {
      yield next.value.rows;
      next = parts.next();
    }
  });
}

function* tableParts(path: string): Generator<{ schema: string; name: string; rows: readonly string[] }> {
  for (const { name: entry, content } of readArchive(path)) {
    if (!entry.startsWith(`${TABLES}/`)) continue;
    const [schema, name, rows] = Part.parse(JSON.parse(content.toString("utf8")));
    yield { schema, name, rows };
  }
}
