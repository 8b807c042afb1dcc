import { readPrivateFile } from "ringwall/adapters/files";
import { inspectionAccess, type Target, urlTarget } from "ringwall/adapters/postgres";
import { RingwallError } from "ringwall/core";
import type { SqlSession } from "ringwall/data/isolation";
import { CommandFailed, EXIT, type Input, type Machine, type Option, UsageError } from "../../command.ts";
import { findLocalTarget, readPassword } from "../local-target.ts";

const URL_BYTES_MAX = 4_096;

/** Which database the `tenancy` commands look at. */
export const DATABASE_OPTIONS = {
  url: { value: "URL", summary: "The database: postgres://user@host:port/database, without a password" },
  "url-file": { value: "FILE", summary: "File (mode 0600) that holds the URL, with or without the password" },
  "password-file": { value: "FILE", summary: "File (mode 0600) that holds the password for --url" },
  config: { value: "FILE", summary: "Configuration of this installation, whose database is looked at without --url" },
  data: { value: "DIR", summary: "Data directory of this installation" },
} as const satisfies Record<string, Option>;

/** Where `--url`, `--url-file` or this installation leads. No connection is made yet. */
export async function findDatabase(input: Input, machine: Machine): Promise<Target> {
  const [url, urlFile] = [input.text("url"), input.text("url-file")];
  if (url !== undefined && urlFile !== undefined) throw new UsageError("--url and --url-file do not go together");
  const passwordFile = input.text("password-file");
  if (url === undefined && urlFile === undefined) {
    if (passwordFile !== undefined) throw new UsageError("--password-file belongs to --url");
    return await findLocalTarget(input, machine, "ringwall_migrate");
  }
  return await targetOf(url, urlFile, passwordFile, machine);
}

/** @throws UsageError for a URL on the command line that holds a password: every process of the machine can read it. */
export async function targetOf(
  url: string | undefined,
  urlFile: string | undefined,
  passwordFile: string | undefined,
  machine: Machine,
): Promise<Target> {
  if (url !== undefined && URL.canParse(url) && new URL(url).password !== "") {
    throw new UsageError(
      "a password on the command line can be read by every process: put the URL into a file (chmod 600) and name it " +
        "with --url-file, or the password with --password-file",
    );
  }
  const { uid } = machine;
  const text = url ?? (await readPrivateFile(urlFile ?? "", { bytesMax: URL_BYTES_MAX, uid })).trim();
  const password = passwordFile === undefined ? undefined : async () => await readPassword(passwordFile, uid);
  return await urlTarget(text, password);
}

/**
 * Runs `work` on one connection, and closes it.
 * @throws CommandFailed with exit code 3 when the database cannot be reached.
 */
export async function withSession<T>(
  target: Target,
  options: { readonly writes?: boolean },
  work: (session: SqlSession) => Promise<T>,
): Promise<T> {
  const session = await reached(inspectionAccess(target, options).connect());
  try {
    return await work(session);
  } finally {
    await session.close();
  }
}

/** @throws CommandFailed with exit code 3 when `work` cannot reach the database. */
export async function reached<T>(work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    if (!(error instanceof RingwallError) || error.code !== "database.unavailable") throw error;
    const { reason } = error.detail;
    throw new CommandFailed(`the database cannot be reached${reason === undefined ? "" : ` (${String(reason)})`}`, {
      wayOut: "Look at the host, the port, the login, its password and the certificate's authority in the URL.",
      exit: EXIT.unreachable,
      cause: error,
    });
  }
}
