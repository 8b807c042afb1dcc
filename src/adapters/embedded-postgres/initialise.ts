import { spawn } from "node:child_process";
import { chmodSync, chownSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Logger, PlainSecret, randomToken } from "../../core/index.ts";
import { type Account, invalid } from "./account.ts";
import type { Binaries } from "./binaries.ts";
import { errorCode } from "./process.ts";

export const SUPERUSER = "postgres";

/** A password for everyone, on the socket too; TCP from this machine only, and only where a port was asked for. */
export const PG_HBA = `local all all scram-sha-256
host all all 127.0.0.1/32 scram-sha-256
`;

/** The same where the port has a certificate: a plain connection is refused. */
export const PG_HBA_TLS = PG_HBA.replace("host ", "hostssl ");

const SECRET_FILE = "superuser.secret";
const OUTPUT_BYTES_MAX = 4_096;

/** Gives a file or folder to the account PostgreSQL runs as. */
function give(path: string, account: Account | undefined): void {
  if (account !== undefined) chownSync(path, account.uid, account.gid);
}

/** Writes a file that only the account PostgreSQL runs as can read. */
export function writeOwned(path: string, text: string, account: Account | undefined): void {
  writeFileSync(path, text, { mode: 0o600 });
  chmodSync(path, 0o600);
  give(path, account);
}

/** The superuser of a cluster that is there, for copies of all its contents. @throws RingwallError `config.invalid` */
export function superuserOf(dataDir: string): { readonly user: string; readonly password: PlainSecret } {
  return { user: SUPERUSER, password: readSuperuserSecret(dataDir) };
}

export function readSuperuserSecret(dataDir: string): PlainSecret {
  const file = join(dataDir, SECRET_FILE);
  try {
    return new PlainSecret(readFileSync(file, "utf8").trim());
  } catch (cause) {
    throw invalid(
      `the superuser's secret ${file} cannot be read (${errorCode(cause)}); restore it from a backup`,
      cause,
    );
  }
}

/**
 * Creates the cluster unless there is one. Works in a folder of another name that is renamed when complete, so that
 * an interrupted attempt is simply done again.
 */
export async function initialise(at: {
  binaries: Binaries;
  dataDir: string;
  pgdata: string;
  account: Account | undefined;
  log: Logger;
}): Promise<void> {
  if (existsSync(at.pgdata)) {
    checkVersion(at.pgdata, at.binaries.major);
    readSuperuserSecret(at.dataDir);
    return;
  }
  at.log.info({ dataDir: at.dataDir }, "creating the PostgreSQL cluster");
  const unfinished = `${at.pgdata}.unfinished`;
  const passwordFile = join(at.dataDir, "initdb.secret");
  rmSync(unfinished, { recursive: true, force: true });
  rmSync(passwordFile, { force: true });
  const password = randomToken();
  try {
    writeOwned(passwordFile, `${password}\n`, at.account);
    // initdb creates the folder itself, but cannot create it in a parent that is not its own.
    mkdirSync(unfinished, { mode: 0o700 });
    give(unfinished, at.account);
    await runInitdb(at.binaries.initdb, unfinished, passwordFile, at.account);
  } finally {
    rmSync(passwordFile, { force: true });
  }
  writeFileSync(join(at.dataDir, SECRET_FILE), `${password}\n`, { mode: 0o600 });
  renameSync(unfinished, at.pgdata);
}

function checkVersion(pgdata: string, major: string): void {
  let found: string;
  try {
    found = readFileSync(join(pgdata, "PG_VERSION"), "utf8").trim();
  } catch (cause) {
    throw invalid(
      `${pgdata} is not a PostgreSQL data folder, or cannot be read (${errorCode(cause)}); choose another`,
      cause,
    );
  }
  if (found !== major) {
    throw invalid(
      `${pgdata} was written by PostgreSQL ${found} and this is ${major}; dump it there and restore it here`,
    );
  }
}

async function runInitdb(
  program: string,
  pgdata: string,
  passwordFile: string,
  account: Account | undefined,
): Promise<void> {
  const args = [
    `--pgdata=${pgdata}`,
    `--username=${SUPERUSER}`,
    "--auth=scram-sha-256",
    `--pwfile=${passwordFile}`,
    "--encoding=UTF8",
    // The same order of texts on every machine.
    "--locale-provider=builtin",
    "--builtin-locale=C.UTF-8",
    "--locale=C",
  ];
  const child = spawn(program, args, {
    cwd: pgdata,
    env: { LC_ALL: "C", TZ: "UTC", PATH: "/usr/bin:/bin" },
    stdio: ["ignore", "pipe", "pipe"],
    ...(account === undefined ? {} : { uid: account.uid, gid: account.gid }),
  });
  let output = "";
  const keep = (chunk: Buffer): void => {
    output = (output + chunk.toString()).slice(-OUTPUT_BYTES_MAX);
  };
  child.stdout.on("data", keep);
  child.stderr.on("data", keep);
  await new Promise<void>((done, fail) => {
    child.once("error", (error) => {
      fail(invalid(`initdb cannot be run: ${error.message}`, error));
    });
    child.once("close", (code) => {
      if (code === 0) done();
      else fail(invalid(`initdb failed: ${output.trim().split("\n").slice(-3).join(" / ")}`));
    });
  });
}
