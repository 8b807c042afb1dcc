import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, describe, expect, test } from "vitest";
import { z } from "zod";
import { AUDIT_ACTIONS, ERROR_CODES } from "../src/core/index.ts";
import { compareDependencies, undocumented } from "./check-docs.ts";
import { configurationRows, PAGES } from "./reference.ts";

const ROOT = path.resolve(import.meta.dirname, "..");

describe("docstrings", () => {
  const root = mkdtempSync(path.join(tmpdir(), "ringwall-docs-"));
  const write = (file: string, text: string): void => {
    mkdirSync(path.dirname(path.join(root, file)), { recursive: true });
    writeFileSync(path.join(root, file), text);
  };
  afterEach(() => rmSync(root, { recursive: true, force: true }));

  test("an exported symbol without one is named with its place, however it is exported", () => {
    write("tsconfig.json", '{"compilerOptions":{"module":"nodenext","allowImportingTsExtensions":true,"noEmit":true}}');
    write("src/core/index.ts", 'export * from "./a.ts";\nexport { b as renamed } from "./a.ts";\n');
    write(
      "src/core/a.ts",
      "/** Documented. */\nexport const a = 1;\nexport const b = 2;\n/** Documented. */\nexport type T = 1;\n",
    );
    expect(undocumented(root, ["src/core/index.ts"])).toEqual([
      "src/core/index.ts: renamed has no docstring (src/core/a.ts:3)",
      "src/core/index.ts: b has no docstring (src/core/a.ts:3)",
    ]);
  });
});

describe("reference pages", () => {
  test("every code and every action of the code stands on its page, with nothing beside them", async () => {
    const named = async (file: string): Promise<string[]> => {
      const text = (await PAGES.find((page) => page.file === file)?.render(ROOT)) ?? "";
      return [...text.matchAll(/`([a-z_]+\.[a-z_]+|internal)`/g)].map((match) => match[1] ?? "");
    };
    expect(await named("docs/reference/errors.md")).toEqual(Object.keys(ERROR_CODES));
    const actions = new Set(await named("docs/reference/audit-actions.md"));
    expect(actions).toEqual(new Set([...AUDIT_ACTIONS, "noun.verb_past"]));
  });

  test("configuration keys are listed to the last leaf, with range, default and both branches of a union", () => {
    const schema = z.strictObject({
      mode: z.enum(["development", "production"]),
      tokens: z.strictObject({ accessSeconds: z.int().min(60).max(3_600).default(900) }).prefault({}),
      master: z.discriminatedUnion("kind", [
        z.strictObject({ kind: z.literal("software"), file: z.string().describe("Where the key lies.") }),
        z.strictObject({ kind: z.literal("aws"), arn: z.string() }),
      ]),
    });
    expect(configurationRows(schema)).toEqual([
      ["`mode`", '"development" or "production"', "required", ""],
      ["`tokens.accessSeconds`", "integer 60 to 3600", "`900`", ""],
      ["`master.kind`", '"software"', "required", ""],
      ["`master.file`", "string", "required", "Where the key lies."],
      ["`master.kind`", '"aws"', "required", ""],
      ["`master.arn`", "string", "required", ""],
    ]);
  });
});

describe("the page of dependencies", () => {
  const manifest = { dependencies: { pg: "1" }, devDependencies: { vitest: "1" }, optionalDependencies: {} };
  const row = (name: string): string => `| \`${name}\` | what | why | who | nothing |`;

  test("one filled line for each dependency is fine", () => {
    expect(compareDependencies(manifest, [row("pg"), row("vitest")].join("\n"))).toEqual([]);
  });

  test.each([
    ["a dependency without a line", [row("pg")], "vitest has no line"],
    ["a line without a dependency", [row("pg"), row("vitest"), row("left-pad")], "left-pad, which is no dependency"],
    ["a second line", [row("pg"), row("pg"), row("vitest")], "two lines"],
    ["an empty cell", [row("pg").replace("why", " "), row("vitest")], "filled cells"],
  ])("%s is refused", (_, rows, problem) => {
    expect(compareDependencies(manifest, rows.join("\n")).join()).toContain(problem);
  });
});

test("this repository's documentation matches its code", () => {
  // In a process of its own, where `ringwall/...` resolves to the sources as it does for the commands themselves.
  const args = ["--conditions=source", path.join(ROOT, "tools/check-docs.ts")];
  const { stdout, stderr } = spawnSync(process.execPath, args, { encoding: "utf8" });
  expect(stdout + stderr).toBe("");
});
