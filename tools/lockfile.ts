/**
 * Keeps package-lock.json complete, because `npm ci` refuses one that lacks a package of any platform.
 *
 * npm leaves an optional package out of the lock file when the registry it was made with does not carry it (a mirror
 * with the packages of some platforms only); everybody's `npm ci` then fails, on every machine. `--complete` adds such
 * entries from what their parents ask for: name, exact version, platform. They have no integrity, since nobody here has
 * seen them; npm fetches one only on its own platform.
 *
 * @module
 */
import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { z } from "zod";

const LOCK_FILE = path.resolve(import.meta.dirname, "..", "package-lock.json");
const EXACT_VERSION = /^\d+\.\d+\.\d+(?:-[\w.]+)?$/;

const Entry = z.looseObject({
  dev: z.boolean().optional(),
  optionalDependencies: z.record(z.string(), z.string()).optional(),
});
const Lock = z.looseObject({ packages: z.record(z.string(), Entry) });
export interface Lock {
  readonly packages: Readonly<Record<string, z.output<typeof Entry>>>;
}

interface Missing {
  /** The package's name, and the exact version its parent asks for. */
  readonly name: string;
  readonly version: string;
  readonly dev: boolean;
}

/** Optional packages that somebody asks for and that have no entry where Node would look for them. */
export function missingFromLock({ packages }: Lock): readonly Missing[] {
  const missing = new Map<string, Missing>();
  for (const [parent, entry] of Object.entries(packages)) {
    for (const [name, version] of Object.entries(entry.optionalDependencies ?? {})) {
      if (!isFound(packages, parent, name)) missing.set(name, { name, version, dev: entry.dev === true });
    }
  }
  return [...missing.values()];
}

/** Node looks in the node_modules of the parent, then of each folder above it. */
function isFound(packages: Lock["packages"], parent: string, name: string): boolean {
  for (let folder = parent; ; ) {
    if (packages[folder === "" ? `node_modules/${name}` : `${folder}/node_modules/${name}`] !== undefined) return true;
    if (folder === "") return false;
    const cut = folder.lastIndexOf("/node_modules/");
    folder = cut === -1 ? "" : folder.slice(0, cut);
  }
}

const SYSTEMS = ["android", "darwin", "freebsd", "linux", "openharmony", "win32"];
const PROCESSORS = ["arm64", "arm", "ia32", "loong64", "ppc64", "riscv64", "s390x", "x64"];

/** The platform fields of a package, from its name: "@oxlint/binding-linux-x64-musl". */
export function platformOf(name: string): { os: string[]; cpu: string[]; libc?: string[] } {
  const words = name.split(/[/-]/);
  const os = SYSTEMS.filter((system) => words.includes(system));
  const cpu = PROCESSORS.filter((processor) => words.includes(processor));
  if (os.length !== 1 || cpu.length !== 1) throw new TypeError(`${name} does not name one platform`);
  const isGnu = words.some((word) => word.startsWith("gnu"));
  const libc = words.some((word) => word.startsWith("musl")) ? ["musl"] : isGnu ? ["glibc"] : undefined;
  return { os, cpu, ...(libc === undefined || os[0] !== "linux" ? {} : { libc }) };
}

/** The lock file with an entry for every missing package, in npm's order. */
export function completeLock(lock: Lock): Lock {
  const packages: Record<string, Lock["packages"][string]> = { ...lock.packages };
  for (const { name, version, dev } of missingFromLock(lock)) {
    if (!EXACT_VERSION.test(version)) throw new TypeError(`${name} is asked for as ${version}, not exactly`);
    packages[`node_modules/${name}`] = { version, ...platformOf(name), ...(dev ? { dev } : {}), optional: true };
  }
  const sorted = Object.entries(packages).sort(([a], [b]) => a.localeCompare(b, "en"));
  return { ...lock, packages: Object.fromEntries(sorted) };
}

export function readLock(): Lock {
  const lock: unknown = JSON.parse(readFileSync(LOCK_FILE, "utf8"));
  Lock.parse(lock);
  // What was parsed and not what came out of it: a schema puts its own fields first, and npm's order would be lost.
  return lock as Lock;
}

if (import.meta.main) {
  const lock = readLock();
  const missing = missingFromLock(lock);
  const writes = process.argv[2] === "--complete";
  for (const { name, version } of missing) console.log(`${writes ? "added" : "missing"}: ${name}@${version}`);
  if (writes) writeFileSync(LOCK_FILE, `${JSON.stringify(completeLock(lock), undefined, 2)}\n`);
  else if (missing.length > 0) console.log("npm ci will refuse this; run: node tools/lockfile.ts --complete");
  process.exitCode = missing.length > 0 && !writes ? 1 : 0;
}
