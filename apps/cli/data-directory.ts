import { existsSync, lstatSync, mkdirSync, readdirSync, statSync } from "node:fs";
import { isAbsolute, join, resolve } from "node:path";
import type { Machine } from "./command.ts";
import { CommandFailed, EXIT } from "./command.ts";
import { errorCode } from "./private-file.ts";

const SYSTEM_DATA = "/var/lib/ringwall";
const DIRECTORY_MODE = 0o700;
// Started by root, PostgreSQL runs as another account, which has to pass through to its own folder: entering is
// allowed then, listing and reading are not.
const PASSABLE_MODE = 0o711;
// sun_path holds 104 bytes on macOS and 108 on Linux, with the final zero.
const SOCKET_BYTES_MAX = 103;
const ADMIN_SOCKET = join("run", "admin.sock");

/** The places below a data directory that more than one part of the command line knows. */
export interface DataPaths {
  readonly root: string;
  /** Sockets, claims and the runtime file: gone after a reboot without loss. */
  readonly run: string;
  readonly adminSocket: string;
  readonly secrets: string;
  readonly log: string;
  readonly contextKey: string;
  /** Signs audit heads. */
  readonly auditKey: string;
  /** Copies of signed audit heads, unless the configuration names a better place. */
  readonly auditHeads: string;
  /** The embedded PostgreSQL's own folder. */
  readonly postgres: string;
  readonly config: string;
  /** First credentials of a development seed, until somebody has read them. */
  readonly firstRun: string;
  readonly bootstrapLink: string;
}

/** Where data lives: `--data`, else `RINGWALL_DATA`, else /var/lib/ringwall for root, else the user's state folder. */
export function dataDirectory(given: string | undefined, machine: Machine): string {
  const chosen = given ?? machine.settings["RINGWALL_DATA"];
  if (chosen !== undefined) return resolve(machine.cwd, chosen);
  if (machine.uid === 0) return SYSTEM_DATA;
  // The XDG specification says that a relative path is to be ignored.
  const state = machine.stateHome !== undefined && isAbsolute(machine.stateHome) ? machine.stateHome : undefined;
  if (state === undefined && !isAbsolute(machine.home)) {
    throw new CommandFailed("there is no home directory to keep data in", { wayOut: "Name a folder: --data DIR" });
  }
  return join(state ?? join(machine.home, ".local", "state"), "ringwall");
}

export function dataPaths(root: string): DataPaths {
  const run = join(root, "run");
  const secrets = join(root, "secrets");
  return {
    root,
    run,
    adminSocket: join(root, ADMIN_SOCKET),
    secrets,
    contextKey: join(secrets, "context.key"),
    auditKey: join(secrets, "audit.key"),
    auditHeads: join(root, "audit-heads"),
    log: join(root, "log"),
    postgres: join(root, "postgres"),
    config: join(root, "ringwall.config.json"),
    firstRun: join(root, "first-run.txt"),
    bootstrapLink: join(root, "bootstrap-link.txt"),
  };
}

/**
 * Makes the data directory and its folders: 0700, and 0711 at the top when root starts it. An existing one is taken only when it is ours: a folder
 * that holds other things, belongs to somebody else or is open to others is refused, never changed.
 */
export function prepareDataDirectory(root: string, uid: number): DataPaths {
  if (Buffer.byteLength(join(root, ADMIN_SOCKET)) > SOCKET_BYTES_MAX) {
    throw new CommandFailed(`the path of the data directory is too long for a unix socket: ${root}`, {
      wayOut: `Name one of at most ${SOCKET_BYTES_MAX - ADMIN_SOCKET.length - 1} bytes: --data DIR`,
    });
  }
  const paths = dataPaths(root);
  try {
    if (existsSync(root)) checkOurs(paths, uid);
    else mkdirSync(root, { recursive: true, mode: rootMode(uid) });
    for (const folder of [paths.run, paths.secrets, paths.log]) {
      mkdirSync(folder, { recursive: true, mode: DIRECTORY_MODE });
      checkPrivate(folder, uid, DIRECTORY_MODE);
    }
  } catch (error) {
    if (error instanceof CommandFailed) throw error;
    throw new CommandFailed(`the data directory ${root} cannot be used (${errorCode(error)})`, {
      wayOut: "Name one that this user can write: --data DIR",
      cause: error,
    });
  }
  return paths;
}

function checkOurs(paths: DataPaths, uid: number): void {
  if (!statSync(paths.root).isDirectory()) throw new CommandFailed(`the data directory ${paths.root} is not a folder`);
  const entries = readdirSync(paths.root);
  // "secrets" is made before anything else is, so a folder without it was never ours.
  if (entries.length > 0 && !entries.includes("secrets")) {
    throw new CommandFailed(`the folder ${paths.root} holds other things and is not a Ringwall data directory`, {
      wayOut: "Name an empty or a new folder: --data DIR",
      exit: EXIT.failed,
    });
  }
  checkPrivate(paths.root, uid, rootMode(uid));
}

function rootMode(uid: number): number {
  return uid === 0 ? PASSABLE_MODE : DIRECTORY_MODE;
}

function checkPrivate(folder: string, uid: number, modeMax: number): void {
  const stat = lstatSync(folder);
  if (!stat.isDirectory()) throw new CommandFailed(`${folder} is not a folder`);
  if (uid < 0) return;
  if (stat.uid !== uid) {
    throw new CommandFailed(`${folder} belongs to user ${stat.uid}, and this is user ${uid}`, {
      wayOut: "Run as that user, or name another folder: --data DIR",
    });
  }
  if ((stat.mode & 0o777 & ~modeMax) !== 0) {
    throw new CommandFailed(`${folder} is open to other users`, { wayOut: `chmod ${modeMax.toString(8)} ${folder}` });
  }
}
