/**
 * `npm run check [-- --fast]`: everything that must hold before a change is taken, two checks at a time.
 *
 * Prints one line as each check ends, the output of those that failed, and a table. `--fast` leaves the tests out.
 * Exit code 0 when all hold, 1 when one does not, 2 for a wrong call.
 *
 * @module
 */
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import path from "node:path";
import { parseArgs } from "node:util";

/** A command that says nothing of interest unless it fails. */
export interface Check {
  readonly name: string;
  readonly command: readonly [program: string, ...args: string[]];
  /** Left out by `--fast`. */
  readonly isSlow?: true;
  /** Left out, with a line that says so, while this file does not exist. */
  readonly needs?: string;
}

/** How one check ended. */
export interface Ended {
  readonly name: string;
  readonly state: "passed" | "failed" | "left out";
  readonly seconds: number;
  readonly output: string;
}

const ROOT = path.resolve(import.meta.dirname, "..");
const AT_ONCE = 2;
const FOLDERS = ["src", "apps", "examples", "migrations", "bench", "test", "tools"];
const node = (file: string, ...args: string[]): Check["command"] => [
  process.execPath,
  "--conditions=source",
  file,
  ...args,
];

/** Long ones first, so that two at a time end together. */
const CHECKS: readonly Check[] = [
  { name: "tests", command: ["vitest", "run", "src", "apps", "tools", "bench", "--maxWorkers=1"], isSlow: true },
  { name: "types", command: ["tsc", "-p", "."] },
  { name: "types of the console", command: ["tsc", "-p", "apps/console"], needs: "apps/console/tsconfig.json" },
  { name: "lint", command: ["oxlint", "--type-aware"] },
  {
    name: "imports",
    command: [
      "depcruise",
      "--config",
      "tools/imports.config.cjs",
      ...FOLDERS.filter((folder) => existsSync(path.join(ROOT, folder))),
    ],
  },
  { name: "dead code", command: ["knip", "--no-config-hints"] },
  { name: "docs", command: node("tools/check-docs.ts") },
  { name: "tidy", command: node("tools/tidy.ts") },
  { name: "exports", command: node("tools/check-exports.ts") },
  { name: "format", command: ["biome", "ci", "--colors=off", "--error-on-warnings", "."] },
  // Drift checks: each compares a committed, generated file with what would be generated now. Add the next one here.
  { name: "openapi", command: node("apps/server/openapi.ts", "--check"), needs: "apps/server/openapi.ts" },
  { name: "api client", command: node("apps/console/schema.ts", "--check"), needs: "apps/console/schema.ts" },
];

/** Runs one check and keeps what it says. Never throws: a program that cannot start has failed. */
export async function runCheck({ name, command, needs }: Check, root: string): Promise<Ended> {
  if (needs !== undefined && !existsSync(path.join(root, needs))) {
    return { name, state: "left out", seconds: 0, output: `${needs} does not exist` };
  }
  const [program, ...args] = command;
  const started = performance.now();
  const binaries = path.join(root, "node_modules", ".bin");
  const child = spawn(program, args, {
    cwd: root,
    env: { ...process.env, PATH: `${binaries}${path.delimiter}${process.env["PATH"] ?? ""}`, FORCE_COLOR: "0" },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const chunks: Buffer[] = [];
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk: Buffer) => chunks.push(chunk));
  const code = await new Promise<number>((resolve) => {
    child.once("error", (error) => {
      chunks.push(Buffer.from(`${program}: ${error.message}\n`));
      resolve(1);
    });
    child.once("close", (exit) => resolve(exit ?? 1));
  });
  return {
    name,
    state: code === 0 ? "passed" : "failed",
    seconds: (performance.now() - started) / 1_000,
    output: Buffer.concat(chunks).toString("utf8").trimEnd(),
  };
}

/** Runs all, `atOnce` at a time, in the order given; `onEnd` hears of each as it ends. */
export async function runChecks(
  checks: readonly Check[],
  root: string,
  atOnce: number,
  onEnd: (ended: Ended) => void,
): Promise<Ended[]> {
  const waiting = [...checks];
  const ended: Ended[] = [];
  const worker = async (): Promise<void> => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      const result = await runCheck(next, root);
      ended.push(result);
      onEnd(result);
    }
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
  return ended;
}

const row = ({ name, state, seconds, output }: Ended): string =>
  `${name.padEnd(10)} ${state.padEnd(9)} ${state === "left out" ? output : `${seconds.toFixed(1)} s`}`;

async function main(args: readonly string[]): Promise<number> {
  const { values } = parseArgs({ args: [...args], options: { fast: { type: "boolean", default: false } } });
  const chosen = CHECKS.filter((check) => !values.fast || check.isSlow !== true);
  console.log(`${chosen.length} checks, ${AT_ONCE} at a time`);
  const ended = await runChecks(chosen, ROOT, AT_ONCE, (result) => console.log(`  ${row(result)}`));
  const failed = ended.filter((result) => result.state === "failed");
  for (const { name, output } of failed) console.log(`\n--- ${name} ---\n${output}`);
  console.log(`\n${chosen.flatMap(({ name }) => ended.filter((result) => result.name === name).map(row)).join("\n")}`);
  console.log(failed.length === 0 ? "\nall hold" : `\n${failed.length} of ${chosen.length} do not hold`);
  return failed.length === 0 ? 0 : 1;
}

if (import.meta.main) {
  try {
    process.exitCode = await main(process.argv.slice(2));
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    process.exitCode = 2;
  }
}
