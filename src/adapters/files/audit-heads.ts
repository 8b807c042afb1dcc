import { constants } from "node:fs";
import { type FileHandle, mkdir, open, readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { assert, isTenantId, RingwallError, type TenantId } from "../../core/index.ts";
import { formatHead, type HeadStore, parseHead, type SignedHead } from "../../monitoring/audit/index.ts";

const SUFFIX = ".jsonl";
const NEWLINE = 0x0a;
const FILE_MODE = 0o600;
const FOLDER_MODE = 0o700;
// The longest line has under 400 bytes, so the last whole line lies within the last 4 KiB.
const TAIL_BYTES = 4_096;
const READ_BYTES = 65_536;
// Each append waits for the disk; a few at once let it join the waits.
const FILES_AT_ONCE = 8;

/**
 * Copies of signed heads in a folder: one file per tenant, one line per head, only ever appended to and synced before
 * an append counts. A line cut off by a crash was never acknowledged: reading skips it, the next append removes it.
 * Any other line that is not a head is tampering, and an error.
 *
 * The folder should be where the database's administrator cannot write; whoever can change both can hide a rewrite.
 */
export async function fileHeadStore(folder: string): Promise<HeadStore> {
  await mkdir(folder, { recursive: true, mode: FOLDER_MODE });
  const { mode } = await stat(folder);
  if ((mode & 0o022) !== 0) {
    throw new RingwallError("config.invalid", { message: "the folder of audit heads is writable for others" });
  }
  return new FolderHeadStore(folder);
}

interface Tail {
  readonly whole: number;
  readonly torn: boolean;
  readonly last: SignedHead | undefined;
}

class FolderHeadStore implements HeadStore {
  readonly #folder: string;
  readonly #synced = new Set<TenantId>();

  constructor(folder: string) {
    this.#folder = folder;
  }

  async append(heads: readonly SignedHead[]): Promise<void> {
    const byTenant = Map.groupBy(heads, (head) => head.tenant);
    const waiting = [...byTenant];
    const worker = async (): Promise<void> => {
      for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) await this.#appendTo(next[0], next[1]);
    };
    await Promise.all(Array.from({ length: FILES_AT_ONCE }, worker));
  }

  async #appendTo(tenant: TenantId, heads: readonly SignedHead[]): Promise<void> {
    const file = await open(
      this.#path(tenant),
      constants.O_RDWR | constants.O_APPEND | constants.O_CREAT | constants.O_NOFOLLOW,
      FILE_MODE,
    );
    try {
      const { whole, torn, last } = await readTail(file, tenant);
      // The same head may come twice after a crash between two stores; a smaller one would be a fork.
      const fresh = heads.filter((head) => last === undefined || head.size > last.size);
      for (const head of heads) {
        const same = last !== undefined && head.size === last.size;
        if (same && !head.hash.equals(last.hash)) throw forked(tenant);
      }
      if (fresh.length === 0) return;
      if (torn) await file.truncate(whole);
      const lines = Buffer.from(fresh.map((head) => `${formatHead(head)}\n`).join(""));
      const { bytesWritten } = await file.write(lines);
      assert(bytesWritten === lines.length, "a head copy is written whole");
      await file.sync();
    } finally {
      await file.close();
    }
    // The name of a new file is durable only after its folder was synced.
    if (!this.#synced.has(tenant)) {
      await this.#syncFolder();
      this.#synced.add(tenant);
    }
  }

  async #syncFolder(): Promise<void> {
    const folder = await open(this.#folder, "r");
    try {
      await folder.sync();
    } finally {
      await folder.close();
    }
  }

  async last(tenant: TenantId): Promise<SignedHead | undefined> {
    const file = await openIfThere(this.#path(tenant));
    if (file === undefined) return undefined;
    try {
      return (await readTail(file, tenant)).last;
    } finally {
      await file.close();
    }
  }

  async *read(tenant: TenantId): AsyncIterable<SignedHead> {
    const file = await openIfThere(this.#path(tenant));
    if (file === undefined) return;
    try {
      let rest = "";
      let size = 0;
      const chunk = Buffer.allocUnsafe(READ_BYTES);
      for (let at = 0; ; ) {
        const { bytesRead } = await file.read(chunk, 0, READ_BYTES, at);
        if (bytesRead === 0) return; // What is left in `rest` has no newline: never acknowledged.
        at += bytesRead;
        const lines = (rest + chunk.toString("latin1", 0, bytesRead)).split("\n");
        rest = lines.pop() ?? "";
        if (rest.length > TAIL_BYTES) throw damaged(tenant);
        for (const line of lines) {
          const head = headOf(tenant, line);
          if (head.size <= size) continue;
          size = head.size;
          yield head;
        }
      }
    } finally {
      await file.close();
    }
  }

  async *tenants(): AsyncIterable<TenantId> {
    for (const name of (await readdir(this.#folder)).sort()) {
      const tenant = name.slice(0, -SUFFIX.length);
      if (name.endsWith(SUFFIX) && isTenantId(tenant)) yield tenant;
    }
  }

  #path(tenant: TenantId): string {
    assert(isTenantId(tenant), "a tenant id has no separators, so it is a file name");
    return join(this.#folder, `${tenant}${SUFFIX}`);
  }
}

async function openIfThere(path: string): Promise<FileHandle | undefined> {
  try {
    return await open(path, constants.O_RDONLY | constants.O_NOFOLLOW);
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    throw error;
  }
}

/**
 * How many bytes of the file are whole lines, and the newest head among the last of them: a process that was paused may
 * have appended an older one behind it.
 */
async function readTail(file: FileHandle, tenant: TenantId): Promise<Tail> {
  const { size } = await file.stat();
  const from = Math.max(0, size - TAIL_BYTES);
  const bytes = Buffer.alloc(size - from);
  await file.read(bytes, 0, bytes.length, from);
  const end = bytes.lastIndexOf(NEWLINE) + 1;
  if (end === 0 && from > 0) throw damaged(tenant);
  const lines = bytes
    .toString("latin1", 0, end)
    .split("\n")
    .slice(from > 0 ? 1 : 0, -1);
  let last: SignedHead | undefined;
  for (const line of lines) {
    const head = headOf(tenant, line);
    if (last === undefined || head.size > last.size) last = head;
  }
  return { whole: from + end, torn: end < bytes.length, last };
}

function headOf(tenant: TenantId, line: string): SignedHead {
  const head = parseHead(line);
  if (head?.tenant !== tenant) throw damaged(tenant);
  return head;
}

function damaged(tenant: TenantId): RingwallError {
  return new RingwallError("audit.unavailable", { detail: { reason: "a head copy is damaged", tenant } });
}

function forked(tenant: TenantId): RingwallError {
  return new RingwallError("audit.unavailable", { detail: { reason: "two heads of one size differ", tenant } });
}
