import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { consoleRoutes } from "./console.ts";

// A console that is built is served in `test/journeys/console.test.ts`.
test("without a built console there are no pages and the server starts; a spoiled build is an error", () => {
  const dist = mkdtempSync(join(tmpdir(), "rw-console-"));
  onTestFinished(() => rmSync(dist, { recursive: true, force: true }));
  expect(consoleRoutes(dist)).toEqual([]);
  expect(consoleRoutes(join(dist, "none"))).toEqual([]);
  writeFileSync(join(dist, "current.json"), '{"build":"../../elsewhere"}');
  expect(() => consoleRoutes(dist)).toThrow();
});
