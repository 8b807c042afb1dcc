import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import type { Target } from "ringwall/adapters/postgres";
import { checkNeverUsed, importContents, MIGRATIONS } from "ringwall/migrations";
import { z } from "zod";
import type { Context, Input } from "../../command.ts";
import { CommandFailed } from "../../command.ts";
import { checkTrustedFile } from "../../config-file.ts";
import { type DataPaths, dataDirectory, prepareDataDirectory } from "../../data-directory.ts";
import { errorCode, PRIVATE_MODE } from "../../private-file.ts";
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
const MAINTENANCE_DATABASE = "postgres";
const EXAMPLE_SCHEMA = "bank";
const DIRECTORY_MODE = 0o700;
/** Where the server looks for the ledger unless the configuration names another place. */
const LEDGER = join("erasures", "erasures.jsonl");
const NO_LEDGER =
  `No --erasures: what was erased after the backup is back, unless data.erasure.ledgerFile names the ledger or ` +
  `it is copied to ${LEDGER} before the first start.`;
/** What a backup may put into a data directory. */
const FILE_PATTERN = /^(?:(?:secrets|audit-heads)\/[A-Za-z0-9][A-Za-z0-9._-]{0,80}|ringwall\.config\.json)$/;

const Part = z.tuple([z.string(), z.string(), z.array(z.string())]);

/** Behind `restore`, in a module of its own so that other commands do not load a database driver. */
export async function restoreBackup(input: Input, context: Context, file: string): Promise<void> {
  const { machine } = context;
  const path = resolve(machine.cwd, file);
  const manifest = checkBackup(path);
  requireThisVersion(manifest);
  const root = dataDirectory(input.text("data"), machine);
  if (existsSync(root) && readdirSync(root).length > 0) {
    throw new CommandFailed(`the data directory ${root} is not empty`, { wayOut: "Name a new one: --data DIR" });
  }
  const ledger = readLedger(input, context);
  const paths = prepareDataDirectory(root, machine.uid);
  const release = claimDataDirectory(paths.run, machine.pid);
  try {
    writeFiles(path, paths);
    if (ledger !== undefined) writeLedger(paths, ledger);
    const { config } = await findInstallation(input, machine);
    // It says where the old database is; whoever names another file means another one.
    if (config.path !== paths.config) rmSync(paths.config, { force: true });
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
  if (ledger === undefined) context.stderr(NO_LEDGER);
  showRow(input, context, facts, `restored ${root} as of ${manifest.made_at}: ${rows} rows; sessions and links ended`);
}

/** Asked first of all: a database that this version has set up is of no use to the version that made the backup. */
function requireThisVersion({ contents }: Manifest): void {
  const [theirs, ours] = [contents.migrations, MIGRATIONS.map(({ name }) => name)];
  if (JSON.stringify(theirs) === JSON.stringify(ours)) return;
  throw new CommandFailed(
    `the backup is of a schema with ${theirs.length} migrations, and this version has ${ours.length}`,
    {
      wayOut: "Restore with the version that made it, then migrate to the newer one.",
    },
  );
}

/** Read before anything is made, so that a mistyped name leaves nothing behind. */
function readLedger(input: Input, { machine }: Context): Buffer | undefined {
  const named = input.text("erasures");
  if (named === undefined) return undefined;
  const path = resolve(machine.cwd, named);
  try {
    return readFileSync(path);
  } catch (cause) {
    throw new CommandFailed(`${path} cannot be read (${errorCode(cause)})`, { cause });
  }
}

function writeLedger({ root }: DataPaths, ledger: Buffer): void {
  const path = join(root, LEDGER);
  mkdirSync(dirname(path), { recursive: true, mode: DIRECTORY_MODE });
  writeFileSync(path, ledger, { flag: "wx", mode: PRIVATE_MODE });
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
  if (await isThere(target)) await asOwner(target, checkNeverUsed);
  const passwordFile = resolve(machine.cwd, input.text("admin-password") ?? "");
  const setup = (client?: string) => ({ user: target.user, passwordFile, client });
  // Every application's role has to be there before its own tables are granted to it.
  for (const { role } of loading.manifest.contents.clients) {
    await migrateLocally(input, context, { module: undefined, setup: setup(role) });
  }
  await migrateLocally(input, context, { module: modulePath(input, context), setup: setup() });
  await asOwner(target, (db) => importInto(db, loading));
}

async function isThere(target: Target): Promise<boolean> {
  return await asOwner({ ...target, database: MAINTENANCE_DATABASE }, async (db) => {
    const databases = db.withTables<{ pg_database: { datname: string } }>().selectFrom("pg_database");
    const found = await databases.select("datname").where("datname", "=", target.database).execute();
    return found.length > 0;
  });
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
