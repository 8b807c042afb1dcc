import { chmodSync, chownSync, lstatSync, mkdirSync, mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Account } from "./account.ts";

/** sun_path holds 108 bytes on Linux and 104 on macOS, with the closing zero. */
const SOCKET_PATH_BYTES_MAX = 103;
const REMEMBERED = "socket-folder";

/**
 * The private folder of the socket: `run` in the data folder, or, when that path is too long for a socket, a folder
 * below the system's temporary one, remembered in the data folder.
 */
export function chooseSocketFolder(dataDir: string, port: number, account: Account | undefined): string {
  const fits = (folder: string): boolean =>
    Buffer.byteLength(join(folder, `.s.PGSQL.${port}.lock`)) <= SOCKET_PATH_BYTES_MAX;
  const near = join(dataDir, "run");
  if (fits(near)) {
    mkdirSync(near, { recursive: true, mode: 0o700 });
    return own(near, account);
  }
  const remembered = readRemembered(dataDir);
  if (remembered !== undefined && isPrivate(remembered, account)) return remembered;
  const far = own(mkdtempSync(join(tmpdir(), "ringwall-")), account);
  writeFileSync(join(dataDir, REMEMBERED), far, { mode: 0o600 });
  return far;
}

function own(folder: string, account: Account | undefined): string {
  chmodSync(folder, 0o700);
  if (account !== undefined) chownSync(folder, account.uid, account.gid);
  return folder;
}

function readRemembered(dataDir: string): string | undefined {
  try {
    return readFileSync(join(dataDir, REMEMBERED), "utf8");
  } catch {
    return undefined;
  }
}

/** Somebody else may have made a folder of that name since: it must be a real folder, ours, and closed to others. */
function isPrivate(folder: string, account: Account | undefined): boolean {
  try {
    const { mode, uid } = lstatSync(folder);
    return (mode & 0o170777) === 0o040700 && uid === (account?.uid ?? process.getuid?.());
  } catch {
    return false;
  }
}
