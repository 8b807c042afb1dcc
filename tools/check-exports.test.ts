import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, describe, expect, test } from "vitest";
import { compareExports, forbiddenReach, reachedPackages } from "./check-exports.ts";
import { facesOf } from "./faces.ts";

const entry = (source: string) => ({
  source: `./${source}.ts`,
  types: `./dist/${source}.d.ts`,
  default: `./dist/${source}.js`,
});
const FILES = ["src/core/index.ts", "src/data/keys/index.ts", "src/ringwall.ts", "migrations/index.ts"];
const EXPORTS = {
  ".": entry("src/ringwall"),
  "./core": entry("src/core/index"),
  "./data/keys": entry("src/data/keys/index"),
  "./migrations": entry("migrations/index"),
};

describe("exports and faces", () => {
  test("the same set on both sides is fine; insides, tests and nested folders are no faces", () => {
    const insides = [
      "src/core/errors.ts",
      "src/data/keys/tree/index.ts",
      "src/core/index.test.ts",
      "migrations/0001_a.ts",
    ];
    expect(compareExports(EXPORTS, facesOf([...FILES, ...insides]))).toEqual([]);
  });

  test("a face that is not exported is named", () => {
    const problems = compareExports(EXPORTS, facesOf([...FILES, "src/perimeter/index.ts"]));
    expect(problems).toEqual([expect.stringContaining('"./perimeter"')]);
  });

  test("an export without a face is named", () => {
    const problems = compareExports({ ...EXPORTS, "./extra": entry("src/extra/index") }, facesOf(FILES));
    expect(problems).toEqual([expect.stringContaining('"./extra"')]);
  });

  test("an export that leads to another file is named", () => {
    const problems = compareExports({ ...EXPORTS, "./core": entry("src/data/keys/index") }, facesOf(FILES));
    expect(problems).toEqual([expect.stringContaining('"./core"')]);
  });
});

describe("reach", () => {
  const root = mkdtempSync(path.join(tmpdir(), "ringwall-exports-"));
  const write = (file: string, text: string): void => {
    mkdirSync(path.dirname(path.join(root, file)), { recursive: true });
    writeFileSync(path.join(root, file), text);
  };
  afterEach(() => rmSync(root, { recursive: true, force: true }));

  test("a driver is found behind two files, with the way to it", () => {
    write("src/perimeter/index.ts", 'export { a } from "./a.ts";');
    write("src/perimeter/a.ts", 'import "./b.ts"; export const a = 1;');
    write("src/perimeter/b.ts", 'const pool = await import("pg/lib/pool.js");');
    const problems = forbiddenReach(root, facesOf(["src/perimeter/index.ts"]));
    expect(problems).toEqual([
      'importing "ringwall/perimeter" loads pg: src/perimeter/index.ts -> src/perimeter/a.ts -> src/perimeter/b.ts',
    ]);
  });

  test("types, built-in modules and a circle of files load nothing", () => {
    write(
      "src/core/index.ts",
      'import type { Pool } from "pg"; import "node:fs"; import "crypto"; export * from "./b.ts";',
    );
    write("src/core/b.ts", 'import "./index.ts"; import "zod/v4";');
    expect([...reachedPackages(root, "src/core/index.ts").keys()]).toEqual(["zod"]);
    expect(forbiddenReach(root, facesOf(["src/core/index.ts"]))).toEqual([]);
  });

  test("an inline type import still loads the module", () => {
    write("src/core/index.ts", 'import { type Pool } from "@scope/driver/sub";');
    expect(forbiddenReach(root, facesOf(["src/core/index.ts"]))).toEqual([
      'importing "ringwall/core" loads @scope/driver: src/core/index.ts',
    ]);
  });
});
