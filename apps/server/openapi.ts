/**
 * Writes `openapi.json` beside itself; with `--check` compares it instead, and fails when it differs from the routes: run it
 * without `--check` then.
 *
 * @module
 */
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { AssertionFailed } from "ringwall/core";
import { describeApi } from "./describe.ts";
import { allRoutes } from "./routes/index.ts";

const file = fileURLToPath(new URL("openapi.json", import.meta.url));
const routes = allRoutes(() => {
  throw new AssertionFailed("assertion failed: a description runs no handler");
});
const wanted = `${JSON.stringify(describeApi(routes), undefined, 2)}\n`;
// tidy-allow(process): a script of its own, run by hand and by the checks, as main.ts is.
if (!process.argv.includes("--check")) {
  writeFileSync(file, wanted);
} else if (readFileSync(file, "utf8") !== wanted) {
  // tidy-allow(process): a script of its own, run by hand and by the checks, as main.ts is.
  process.exitCode = 1;
}
