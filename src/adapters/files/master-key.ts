import { link, open, unlink } from "node:fs/promises";
import { dirname } from "node:path";
import { type Mode, RingwallError, randomToken } from "../../core/index.ts";
import { type MasterKey, newMasterText, parseMasterText, softwareMaster } from "../../data/keys/index.ts";
import { isMissingFile, readPrivateFile } from "./private-file.ts";

/** The text form has 65 bytes; more is not a key file. */
const FILE_BYTES_MAX = 256;

/**
 * Opens the software master key from its file, and makes the file when it may.
 *
 * @param options.mode - In production a key in a file is refused unless `allowInProduction`.
 * @param options.mayCreate - True only when the database has no keys yet (`recordedMasterId` is undefined): a new key
 * beside an old database would open nothing.
 * @throws RingwallError `keys.master_refused` with the way out, when the file is missing, readable for others, owned by
 * somebody else, damaged, or not allowed here. The message never holds anything of the key.
 */
export async function openMasterKeyFile(options: {
  readonly file: string;
  readonly mode: Mode;
  readonly allowInProduction: boolean;
  readonly mayCreate: boolean;
  /** This process's user id, where there is such a thing: the file must belong to it or to root. */
  readonly uid?: number;
}): Promise<MasterKey> {
  const { file } = options;
  if (options.mode === "production" && !options.allowInProduction) {
    throw refused(
      `mode is production, and a master key in a file is for development: whoever reads ${file} reads everything. ` +
        "Set masterKey.allowInProduction to accept that.",
    );
  }
  const text =
    (await readKeyFile(file, options.uid)) ?? (options.mayCreate ? await createKeyFile(file, options.uid) : undefined);
  if (text === undefined) {
    throw refused(
      `there is no master key file at ${file}, and the database has keys that need one: restore the file from your ` +
        "backup, or name the right one in masterKey.file. Without it nothing sealed can be opened.",
    );
  }
  return softwareMaster(parseMasterText(text));
}

async function readKeyFile(file: string, uid: number | undefined): Promise<string | undefined> {
  try {
    return await readPrivateFile(file, { bytesMax: FILE_BYTES_MAX, uid });
  } catch (error) {
    if (isMissingFile(error)) return undefined;
    throw refused(`the master key file cannot be used: ${error instanceof Error ? error.message : "unknown"}`, error);
  }
}

/**
 * Written beside its place, then linked into it: a link never replaces a file, so of two processes that start at once
 * one makes the key and both use it, and a crash leaves no half key.
 */
async function createKeyFile(file: string, uid: number | undefined): Promise<string | undefined> {
  const draft = `${file}.${randomToken(9)}`;
  try {
    await writeDurably(draft, newMasterText());
    await link(draft, file).catch((error: unknown) => {
      if (errorCode(error) !== "EEXIST") throw error;
    });
    await syncFolder(dirname(file));
  } catch (error) {
    throw refused(`${file} cannot be made (${errorCode(error)}): its folder has to exist and be writable`, error);
  } finally {
    await unlink(draft).catch(() => {});
  }
  return await readKeyFile(file, uid);
}

async function writeDurably(file: string, text: string): Promise<void> {
  const handle = await open(file, "wx", 0o600);
  try {
    await handle.writeFile(text);
    await handle.sync();
  } finally {
    await handle.close();
  }
}

async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

function refused(message: string, cause?: unknown): RingwallError {
  return new RingwallError("keys.master_refused", { message, cause });
}

function errorCode(error: unknown): string {
  return error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : "unknown";
}
