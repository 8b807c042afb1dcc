/**
 * `npm test`, `npm run test:long`, `npm run test:peers`: runs vitest and says at the end what was skipped and why.
 *
 * A suite that did not run proves nothing, so a skip is a failure where CI=true, and a run without a single test is a
 * failure everywhere. Further words choose files: `npm test -- src/core apps/cli`. Exit codes: 0 all passed, 1 not, 2
 * wrong usage.
 *
 * @module
 */
import path from "node:path";
import { fileURLToPath } from "node:url";
import type { Reporter, TestCase, TestModule } from "vitest/node";

const ROOT = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "..");
const KINDS = { "--long": "long", "--peers": "peers" } as const;
type Kind = "unit" | (typeof KINDS)[keyof typeof KINDS];

interface Skip {
  readonly where: string;
  readonly why: string;
}

interface Tally {
  passed: number;
  failed: number;
  readonly skips: Skip[];
}

/** What happened, counted from the tests themselves. A file that could not be loaded counts as one failure. */
function tally(modules: readonly TestModule[], unhandledErrors: number): Tally {
  const result: Tally = { passed: 0, failed: unhandledErrors, skips: [] };
  for (const module of modules) {
    const file = path.relative(ROOT, module.moduleId);
    for (const test of module.children.allTests()) {
      const outcome = test.result();
      if (outcome.state === "passed") result.passed += 1;
      else if (outcome.state === "failed") result.failed += 1;
      else if (outcome.state === "skipped") result.skips.push({ where: file, why: outcome.note ?? nameOf(test) });
      // Pending: collected and never run, because something else broke off the run.
      else result.failed += 1;
    }
    const suites = [module, ...module.children.allSuites()];
    result.failed += suites.reduce((count, suite) => count + suite.errors().length, 0);
  }
  return result;
}

/** Without a note the reason is in a name: of the outermost suite that was skipped as a whole, else of the test. */
function nameOf(test: TestCase): string {
  let name = test.fullName;
  for (let { parent } = test; parent.type === "suite"; { parent } = parent) {
    if (parent.options.mode === "skip") name = parent.fullName;
  }
  return name;
}

/** One line for each file and reason, with how many tests it stands for. */
function skipLines(skips: readonly Skip[]): readonly string[] {
  const counts = new Map<string, number>();
  for (const { where, why } of skips) {
    const line = `${where}: ${why}`;
    counts.set(line, (counts.get(line) ?? 0) + 1);
  }
  return [...counts].map(([line, count]) => `  ${line}${count === 1 ? "" : ` (${count} tests)`}`);
}

/** Why this run is not a pass, or nothing. */
function verdict({ passed, failed, skips }: Tally, kind: Kind, strict: boolean): string | undefined {
  if (failed > 0) return "there are failures";
  if (passed === 0) {
    return kind === "peers" ? "every peer is absent, so nothing was compared" : "no test ran";
  }
  if (strict && skips.length > 0) return "a skip is a failure where CI=true";
  return undefined;
}

function parse(words: readonly string[]): { kind: Kind; filters: string[] } | undefined {
  let kind: Kind = "unit";
  const filters: string[] = [];
  for (const word of words) {
    if (word === "--long" || word === "--peers") kind = KINDS[word];
    else if (word.startsWith("-")) return undefined;
    else filters.push(word);
  }
  return { kind, filters };
}

async function runVitest(kind: Kind, filters: string[]): Promise<Tally> {
  // Read by vitest.config.ts, which chooses the files by it.
  if (kind !== "unit") process.env[`RINGWALL_TEST_${kind.toUpperCase()}`] = "1";
  const { startVitest } = await import("vitest/node");
  let result: Tally = { passed: 0, failed: 0, skips: [] };
  const collector: Reporter = {
    onTestRunEnd(modules, unhandledErrors) {
      result = tally(modules, unhandledErrors.length);
    },
  };
  const vitest = await startVitest(filters, {
    root: ROOT,
    run: true,
    watch: false,
    reporters: ["default", collector],
    // Said by us, in one sentence with the others.
    passWithNoTests: true,
  });
  await vitest.close();
  return result;
}

const asked = parse(process.argv.slice(2));
if (asked === undefined) {
  console.error("usage: npm test [-- FILE ...], npm run test:long [-- FILE ...], npm run test:peers [-- FILE ...]");
  process.exitCode = 2;
} else {
  const result = await runVitest(asked.kind, asked.filters);
  const { passed, failed, skips } = result;
  const problem = verdict(result, asked.kind, process.env["CI"] === "true");
  if (skips.length > 0) console.log([asked.kind === "peers" ? "Absent:" : "Skipped:", ...skipLines(skips)].join("\n"));
  if (problem !== undefined) console.log(`Not passed: ${problem}.`);
  console.log(`${passed} passed, ${failed} failed, ${skips.length} skipped`);
  // vitest sets a code of its own for failures; ours says the same and more.
  process.exitCode = problem === undefined ? 0 : 1;
}
