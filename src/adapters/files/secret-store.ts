import { link, lstat, mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { PlainSecret, RingwallError, randomToken } from "../../core/index.ts";
import {
  keyPath,
  SECRET_BYTES_MAX,
  type SecretKey,
  type SecretStore,
  type StoredSecret,
  type StoreWrite,
  secretBytes,
} from "../../data/secrets/index.ts";
import { isMissingFile, readPrivateFile, writePrivateFile } from "./private-file.ts";

/** Where the files are. */
export interface FileSecretsOptions {
  /** Made when it is not there. It and every folder in it belong to this process's user, with mode 0700. */
  readonly folder: string;
  /** `process.geteuid?.()`: the files must be this user's or root's. */
  readonly uid: number | undefined;
}

const FOLDER_MODE = 0o700;
const OTHERS = 0o077;
// A dot is in no segment, so the secret `a` and the folder of `a/b` never meet.
const SUFFIX = ".secret";

/**
 * Secrets in files: `FOLDER/TENANT/SEGMENT/SEGMENT.secret`, mode 0600, the value alone and nothing around it. Written
 * whole or not at all.
 *
 * One version each: a write replaces the value, and there is no end and no history. A version is the file's own number
 * and time. `expected: null` is kept against every program; another expected version among the writers of this process
 * alone, since a file has no such operation. The content is not sealed: who can act as the user, or has the disk or its
 * backup, has the secrets.
 *
 * @throws RingwallError `config.invalid` when the folder is not private.
 */
export async function fileSecretStore(options: FileSecretsOptions): Promise<SecretStore> {
  await privateFolder(options.folder, options.uid);
  return new FileSecrets(options);
}

class FileSecrets implements SecretStore {
  readonly kind = "files";
  readonly #options: FileSecretsOptions;
  #last: Promise<unknown> = Promise.resolve();

  constructor(options: FileSecretsOptions) {
    this.#options = options;
  }

  async read(key: SecretKey): Promise<StoredSecret | undefined> {
    const { folders, path } = this.#place(key);
    try {
      for (const folder of folders) if (!(await isPrivate(folder, this.#options.uid))) throw open(folder);
      // Read between two looks at the file, so that a version never stands with another version's value.
      for (;;) {
        const before = await versionOf(path);
        if (before === undefined) return undefined;
        const text = await readPrivateFile(path, { bytesMax: SECRET_BYTES_MAX, uid: this.#options.uid });
        if ((await versionOf(path)) !== before) continue;
        const value = new PlainSecret(text);
        // Whoever put it there by hand is told, and not the reader of half a value.
        secretBytes(value).fill(0);
        return { value, version: before, expiresMs: null };
      }
    } catch (error) {
      if (isMissing(error)) return undefined;
      throw refusal(error);
    }
  }

  async write(key: SecretKey, value: PlainSecret, options: StoreWrite): Promise<string> {
    const place = this.#place(key);
    secretBytes(value).fill(0);
    const written = this.#last.then(() => this.#writeAlone(place, value, options));
    this.#last = written.catch(() => {});
    return await written;
  }

  async #writeAlone({ folders, path }: Place, value: PlainSecret, { expected }: StoreWrite): Promise<string> {
    try {
      for (const folder of folders) await privateFolder(folder, this.#options.uid);
      const current = await versionOf(path);
      if (expected !== undefined && expected !== (current ?? null)) throw changed();
      if (expected === null) await writeNew(path, value);
      else writePrivateFile(path, value.open());
      const version = await versionOf(path);
      if (version === undefined) throw changed();
      return version;
    } catch (error) {
      throw refusal(error);
    }
  }

  #place(key: SecretKey): Place {
    const [tenant, ...segments] = keyPath(key);
    let folder = join(this.#options.folder, tenant);
    const folders = [this.#options.folder, folder];
    for (const segment of segments.slice(0, -1)) {
      folder = join(folder, segment);
      folders.push(folder);
    }
    return { folders, path: join(folder, `${segments.at(-1) ?? ""}${SUFFIX}`) };
  }
}

interface Place {
  /** From the outermost on. */
  readonly folders: readonly string[];
  readonly path: string;
}

/** A name that appears only when nobody has it: the one way in which a file system says no to the second writer. */
async function writeNew(path: string, value: PlainSecret): Promise<void> {
  const draft = `${path}.${randomToken(9)}`;
  writePrivateFile(draft, value.open());
  try {
    await link(draft, path);
  } catch (error) {
    throw codeOf(error) === "EEXIST" ? changed() : error;
  } finally {
    await rm(draft, { force: true });
  }
}

async function versionOf(path: string): Promise<string | undefined> {
  try {
    const { ino, mtimeNs, size } = await lstat(path, { bigint: true });
    return `${ino.toString(36)}-${mtimeNs.toString(36)}-${size.toString(36)}`;
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

async function privateFolder(folder: string, uid: number | undefined): Promise<void> {
  await mkdir(folder, { recursive: true, mode: FOLDER_MODE });
  if (!(await isPrivate(folder, uid))) throw open(folder);
}

async function isPrivate(folder: string, uid = -1): Promise<boolean> {
  const found = await lstat(folder);
  return found.isDirectory() && (found.mode & OTHERS) === 0 && (uid < 0 || found.uid === uid || found.uid === 0);
}

function open(folder: string): RingwallError {
  return new RingwallError("config.invalid", {
    message: `the folder ${folder} is a link or open to others; run chmod 700 on it, as its owner`,
  });
}

function changed(): RingwallError {
  return new RingwallError("resource.conflict", { message: "the secret was changed by somebody else meanwhile" });
}

function isMissing(error: unknown): boolean {
  return codeOf(error) === "ENOENT" || isMissingFile(error);
}

function codeOf(error: unknown): string {
  return error instanceof Error && "code" in error ? String(error.code) : "unknown";
}

/** What is open to others, a link or not ours to read is refused; a disk that fails is an outage. */
function refusal(cause: unknown): RingwallError {
  if (cause instanceof RingwallError && cause.code !== "config.invalid") return cause;
  const code = codeOf(cause instanceof RingwallError ? (cause.cause ?? cause) : cause);
  const isDenied = cause instanceof RingwallError || code === "EACCES" || code === "EPERM";
  const detail = { store: "files", reason: cause instanceof RingwallError ? cause.message : code };
  return new RingwallError(isDenied ? "secrets.denied" : "secrets.unavailable", { detail, cause });
}
