import { existsSync, statfsSync } from "node:fs";
import { dirname, join } from "node:path";
import { invalid } from "./account.ts";

const MIB = 1_048_576;
/** A new cluster takes 40 MiB and its first log files 32; what is left is for the first hours. */
const CREATE_MIB = 128;
/** Two log files of PostgreSQL's: with less it cannot even finish its recovery. */
const START_MIB = 32;

/** Why the disk of a data folder is too full to start PostgreSQL on it; undefined when it is not. */
export function spaceMissing(dataDir: string): string | undefined {
  let folder = dataDir;
  while (!existsSync(folder)) folder = dirname(folder);
  const { bavail, bsize } = statfsSync(folder);
  const freeMib = Math.floor((bavail * bsize) / MIB);
  const needMib = existsSync(join(dataDir, "pgdata")) ? START_MIB : CREATE_MIB;
  if (freeMib >= needMib) return undefined;
  return (
    `the disk that holds ${dataDir} is full: ${freeMib} MiB are left, and PostgreSQL needs ${needMib} to start; ` +
    "free some space, or choose another folder (--data DIR)"
  );
}

/** @throws RingwallError `config.invalid` when the disk is too full to start on. */
export function checkSpace(dataDir: string): void {
  const missing = spaceMissing(dataDir);
  if (missing !== undefined) throw invalid(missing);
}
