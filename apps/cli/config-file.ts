import { closeSync, constants, existsSync, fstatSync, openSync, readFileSync } from "node:fs";
import { extname, join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { Mode } from "ringwall/core";
import { z } from "zod";
import type { Machine } from "./command.ts";
import { CommandFailed, EXIT } from "./command.ts";
import { errorCode } from "./private-file.ts";

/** The names a configuration file may have, in the order they are looked for in a folder. */
export const CONFIG_NAMES = ["ringwall.config.ts", "ringwall.config.json"] as const;

// A configuration is a page or two; a megabyte is some other file.
const CONFIG_BYTES_MAX = 1_048_576;
const WRITABLE_BY_OTHERS = 0o022;

/** A configuration as it was written, before any schema has seen it. */
export interface ConfigFile {
  readonly path: string;
  readonly content: unknown;
}

/**
 * The configuration file to use: `--config`, else `RINGWALL_CONFIG`, else one in the current folder, else one in the
 * data directory. Undefined when there is none.
 * @throws CommandFailed when a file was named and is not there.
 */
export function findConfigFile(given: string | undefined, dataRoot: string, machine: Machine): string | undefined {
  const named = given ?? machine.settings["RINGWALL_CONFIG"];
  if (named !== undefined) {
    const path = resolve(machine.cwd, named);
    if (!existsSync(path)) {
      throw new CommandFailed(`the configuration file ${path} does not exist`, {
        wayOut: "ringwall init --mode development|production writes one.",
        exit: EXIT.usage,
      });
    }
    return path;
  }
  const places = [machine.cwd, dataRoot].flatMap((folder) => CONFIG_NAMES.map((name) => join(folder, name)));
  return places.find((path) => existsSync(path));
}

/**
 * Reads a configuration file: JSON, or a `.ts`, `.mjs` or `.js` module whose default export is a plain object.
 * A file that others may write is refused, because whoever writes it decides what this process trusts.
 * No message quotes the file: somebody may have put a secret into it.
 */
export async function readConfigFile(path: string, uid: number): Promise<ConfigFile> {
  const text = readChecked(path, uid);
  const content = extname(path) === ".json" ? parseJson(path, text) : await importModule(path);
  if (typeof content !== "object" || content === null || Array.isArray(content)) {
    throw new CommandFailed(`${path} does not hold an object`, { wayOut: "ringwall init writes an example." });
  }
  return { path, content };
}

/** The one key that decides how everything else behaves; it has no default. */
export function modeOf(config: ConfigFile): Mode {
  const parsed = z.object({ mode: Mode }).safeParse(config.content);
  if (parsed.success) return parsed.data.mode;
  throw new CommandFailed(`${config.path}: mode is missing or unknown`, {
    wayOut: 'Write "mode": "development" or "mode": "production"; there is no default.',
  });
}

/** Refuses a file that others may exchange, when it is code or configuration that decides what this process trusts. */
export function checkTrustedFile(path: string, uid: number): void {
  readChecked(path, uid);
}

function readChecked(path: string, uid: number): string {
  let file: number;
  try {
    file = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (error) {
    throw new CommandFailed(`${path} cannot be read (${errorCode(error)})`, { cause: error });
  }
  try {
    const stat = fstatSync(file);
    if (!stat.isFile()) throw new CommandFailed(`${path} is not a regular file`);
    if (stat.size > CONFIG_BYTES_MAX) throw new CommandFailed(`${path} is larger than ${CONFIG_BYTES_MAX} bytes`);
    if (uid >= 0 && stat.uid !== uid && stat.uid !== 0) {
      throw new CommandFailed(`${path} belongs to another user, who could change it`, {
        wayOut: "Use a file of your own, or one of root's.",
      });
    }
    if (uid >= 0 && (stat.mode & WRITABLE_BY_OTHERS) !== 0) {
      throw new CommandFailed(`${path} can be written by other users`, { wayOut: `chmod go-w ${path}` });
    }
    return readFileSync(file, "utf8");
  } finally {
    closeSync(file);
  }
}

function parseJson(path: string, text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    // The parser's own message quotes the text around the mistake.
    throw new CommandFailed(`${path} is not valid JSON`);
  }
}

async function importModule(path: string): Promise<unknown> {
  try {
    const module: unknown = await import(pathToFileURL(path).href);
    return z.object({ default: z.unknown() }).parse(module).default;
  } catch (error) {
    throw new CommandFailed(`${path} could not be loaded as a module with a default export`, { cause: error });
  }
}
