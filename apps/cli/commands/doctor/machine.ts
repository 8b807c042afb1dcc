import { existsSync, readdirSync, statfsSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import type { Clock } from "ringwall/core";
import type { Machine } from "../../command.ts";
import { CommandFailed } from "../../command.ts";
import type { DataPaths } from "../../data-directory.ts";
import { checkPorts, type Port } from "../start/ports.ts";
import { type Finding, fail, ok, warn } from "./check.ts";

// The first Node that runs the sources as they are, and the one the repository pins.
const NODE_OLDEST = [22, 18] as const;
const NODE_TESTED_MAJOR = 24;
const MIB = 1_048_576;
// PostgreSQL stops when its disk is full; half a gigabyte is a few minutes of busy writing.
const DISK_FAIL_MIB = 512;
const DISK_WARN_MIB = 4_096;
// A clock before this release was made, or decades after, is a machine without time.
const CLOCK_EARLIEST_MS = Date.UTC(2026, 0, 1);
const CLOCK_LATEST_MS = Date.UTC(2060, 0, 1);
const OTHERS = 0o077;
const FILES_MAX = 10_000;

export function checkNode(machine: Machine): Finding {
  const [major = 0, minor = 0] = machine.nodeVersion.split(".").map(Number);
  const found = `${machine.nodeVersion} (${machine.platform})`;
  if (major < NODE_OLDEST[0] || (major === NODE_OLDEST[0] && minor < NODE_OLDEST[1])) {
    return fail("node", found, `Node ${NODE_OLDEST.join(".")} or later is needed; "npm start" brings its own.`);
  }
  if (major !== NODE_TESTED_MAJOR) return warn("node", found, `Ringwall is tested on Node ${NODE_TESTED_MAJOR}.`);
  return ok("node", found);
}

export function checkClock(clock: Clock): Finding {
  const nowMs = clock();
  const found = new Date(nowMs).toISOString();
  if (nowMs > CLOCK_EARLIEST_MS && nowMs < CLOCK_LATEST_MS) return ok("clock", found);
  return fail("clock", found, "Set the clock (timedatectl set-ntp true): sessions, codes and contexts expire by it.");
}

export function checkDisk(paths: DataPaths): Finding {
  // Before the first start the directory is not there; its nearest parent is on the same disk.
  let folder = paths.root;
  while (!existsSync(folder)) folder = dirname(folder);
  const { bavail, bsize } = statfsSync(folder);
  const freeMib = Math.floor((bavail * bsize) / MIB);
  const found = `${freeMib} MiB free at ${folder}`;
  if (freeMib < DISK_FAIL_MIB) return fail("disk", found, `Free some: below ${DISK_FAIL_MIB} MiB PostgreSQL may stop.`);
  if (freeMib < DISK_WARN_MIB) return warn("disk", found, "Free some, or move the data directory: --data DIR");
  return ok("disk", found);
}

/** The data directory and every file below `secrets`: owned by this user, closed to others. */
export function checkFileModes(paths: DataPaths, uid: number): readonly Finding[] {
  if (!existsSync(paths.root)) return [ok("data directory", `${paths.root} (made by the first start)`)];
  if (uid < 0) return [ok("data directory", paths.root)];
  // Root's top folder may be passed through, because PostgreSQL runs as another account below it.
  const findings = [modeOf("data directory", paths.root, uid, uid === 0 ? 0o066 : OTHERS)];
  if (!existsSync(paths.secrets)) return findings;
  findings.push(modeOf("secrets folder", paths.secrets, uid, OTHERS));
  for (const name of readdirSync(paths.secrets).slice(0, FILES_MAX)) {
    const finding = modeOf(`secrets/${name}`, join(paths.secrets, name), uid, OTHERS);
    // A row for each good file would bury the bad one.
    if (finding.state !== "ok") findings.push(finding);
  }
  return findings;
}

/** One file that holds a key: there, owned by this user, closed to others. */
export function checkKeyFile(check: string, file: string, uid: number): Finding {
  if (existsSync(file)) return modeOf(check, file, uid, OTHERS);
  return fail(
    check,
    `${file} is missing`,
    "Restore it from its backup; a new key opens nothing that the old one sealed.",
  );
}

function modeOf(check: string, path: string, uid: number, closed: number): Finding {
  const stat = statSync(path);
  const mode = (stat.mode & 0o777).toString(8).padStart(3, "0");
  if (uid >= 0 && stat.uid !== uid) {
    return fail(check, `${path} belongs to user ${stat.uid}`, `chown -R ${uid} ${path}`);
  }
  if (uid >= 0 && (stat.mode & closed) !== 0) {
    const least = stat.isDirectory() ? "700" : "600";
    return fail(check, `${path} has mode ${mode}`, `chmod ${least} ${path}`);
  }
  return ok(check, `${path} (${mode})`);
}

export async function checkPort(port: Port, serverRuns: boolean): Promise<Finding> {
  if (serverRuns) return ok(`port ${port.number}`, "the server of this data directory runs");
  try {
    await checkPorts([port]);
    return ok(`port ${port.number}`, "free");
  } catch (error) {
    if (!(error instanceof CommandFailed)) throw error;
    return fail(`port ${port.number}`, error.message, error.wayOut);
  }
}
