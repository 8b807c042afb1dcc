import { readFileSync, statSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { RingwallError } from "../../core/index.ts";

/** An operating-system account that PostgreSQL may run as. */
export interface Account {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
}

/** Tried in this order when Ringwall runs as root and no account is configured. */
const USUAL_ACCOUNTS = ["postgres", "nobody"] as const;

const PASSWD_FILE = "/etc/passwd";

/**
 * The account PostgreSQL runs as: none (the caller's own) unless the caller is root, because initdb and postgres refuse
 * root. initdb also refuses a bare number, so the account must have an entry in the passwd file.
 *
 * @throws RingwallError `config.invalid` when root has no such account.
 */
export function chooseAccount(runAs: string | undefined, callerUid: number): Account | undefined {
  if (callerUid !== 0) {
    if (runAs === undefined) return undefined;
    const own = readAccount(runAs);
    if (own?.uid === callerUid) return undefined;
    throw invalid(`only root can run PostgreSQL as another account (${runAs}); start without runAs`);
  }
  const names = runAs === undefined ? USUAL_ACCOUNTS : [runAs];
  for (const name of names) {
    const account = readAccount(name);
    if (account !== undefined && account.uid !== 0) return account;
  }
  throw invalid(
    `PostgreSQL refuses to run as root, and there is no account ${names.join(" or ")}; ` +
      "create one (useradd --system ringwall-postgres) and name it as runAs",
  );
}

function readAccount(name: string): Account | undefined {
  for (const line of readFileSync(PASSWD_FILE, "utf8").split("\n")) {
    const [user, , uid, gid] = line.split(":");
    if (user === name && uid !== undefined && gid !== undefined) return { name, uid: Number(uid), gid: Number(gid) };
  }
  return undefined;
}

/** The first folder on the way to `path` that the account cannot enter; undefined when it can enter all of them. */
export function firstClosedFolder(path: string, account: Account): string | undefined {
  const folders: string[] = [];
  for (let folder = resolve(path); ; folder = dirname(folder)) {
    folders.unshift(folder);
    if (folder === dirname(folder)) break;
  }
  return folders.find((folder) => {
    const { mode, uid, gid } = statSync(folder);
    if (uid === account.uid) return (mode & 0o100) === 0;
    if (gid === account.gid) return (mode & 0o010) === 0;
    return (mode & 0o001) === 0;
  });
}

export function invalid(message: string, cause?: unknown): RingwallError {
  return new RingwallError("config.invalid", { message, cause });
}
