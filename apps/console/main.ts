/**
 * Builds the console when it is missing or older than its sources, and says on stdout when it does: `main.ts`.
 *
 * Each build is a folder named by the hash of what it was made from, put in place whole, so two builds at once and one
 * that is killed leave nothing half. Needs no network. Exit code 0 when the console is there, 1 when it cannot be built.
 *
 * @module
 */
import { createHash } from "node:crypto";
import { existsSync, globSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import react from "@vitejs/plugin-react";
import { build } from "vite";
import { ADDRESSES } from "./src/addresses.ts";

const ROOT = import.meta.dirname;
const DIST = join(ROOT, "dist");
const HASH_DIGITS = 16;

/** What the build is made from: sources, this script, and the versions of everything it takes in. */
function sourceHash(): string {
  const own = globSync("{index.html,main.ts,src/**/*.{ts,tsx,css,svg}}", { cwd: ROOT }).filter(
    (file) => !file.endsWith(".test.ts"),
  );
  const hash = createHash("sha256");
  for (const file of [...own.sort(), join("..", "..", "package-lock.json")]) {
    hash
      .update(`${file}\0`)
      .update(readFileSync(join(ROOT, file)))
      .update("\0");
  }
  return hash.digest("hex").slice(0, HASH_DIGITS);
}

async function buildInto(folder: string): Promise<void> {
  await build({
    root: ROOT,
    base: "/",
    configFile: false,
    envFile: false,
    publicDir: false,
    logLevel: "error",
    plugins: [react()],
    // The server puts each answer's own nonce where this stands.
    html: { cspNonce: "{{nonce}}" },
    build: {
      outDir: folder,
      emptyOutDir: true,
      target: "es2023",
      // Files of their own, so that the page's policy needs no exception for any of them.
      assetsInlineLimit: 0,
      modulePreload: false,
      sourcemap: false,
      reportCompressedSize: false,
    },
  });
  const manifest = { addresses: ADDRESSES, assets: readdirSync(join(folder, "assets")) };
  writeFileSync(join(folder, "manifest.json"), JSON.stringify(manifest));
}

/** Another build of the same sources may have come first; it is as good. */
function putInPlace(made: string, wanted: string): void {
  try {
    renameSync(made, wanted);
  } catch (error) {
    rmSync(made, { recursive: true, force: true });
    if (!existsSync(join(wanted, "manifest.json"))) throw error;
  }
}

async function main(): Promise<void> {
  const hash = sourceHash();
  const wanted = join(DIST, hash);
  const own = String(process.pid);
  if (!existsSync(join(wanted, "manifest.json"))) {
    process.stdout.write("building\n");
    mkdirSync(DIST, { recursive: true });
    const made = join(DIST, `making-${own}`);
    await buildInto(made);
    putInPlace(made, wanted);
  }
  const current = join(DIST, "current.json");
  const text = JSON.stringify({ build: hash });
  if (existsSync(current) && readFileSync(current, "utf8") === text) return;
  writeFileSync(`${current}.${own}`, text);
  renameSync(`${current}.${own}`, current);
}

try {
  await main();
} catch (error) {
  rmSync(join(DIST, `making-${process.pid}`), { recursive: true, force: true });
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
