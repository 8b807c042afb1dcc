import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { z } from "zod";

const ROOT = path.resolve(import.meta.dirname, "..");
const CONFIG = path.join(ROOT, "tools/imports.config.cjs");

const FACES = [
  ...["core", "perimeter", "network", "assurance", "testing"].map((folder) => `src/${folder}/index.ts`),
  ...[
    "application/identity",
    "application/access",
    "data/keys",
    "data/secrets",
    "data/tenants",
    "monitoring/audit",
  ].map((folder) => `src/${folder}/index.ts`),
  ...["postgres", "redis", "fastify"].map((adapter) => `src/adapters/${adapter}/index.ts`),
  "src/ringwall.ts",
  "src/pipeline.ts",
  "migrations/index.ts",
];
const INNER = [
  "src/core/errors.ts",
  "src/data/keys/envelope.ts",
  "src/data/tenants/context.ts",
  "src/application/access/decide.ts",
  "src/perimeter/headers.ts",
  "src/adapters/postgres/pool.ts",
  "src/monitoring/audit/chain.ts",
  "src/assurance/scan.ts",
  "src/testing/store.contract.ts",
  "src/testing/redis-server.ts",
  "examples/bank/app.ts",
  "tools/check.ts",
  "bench/main.ts",
  "test/attacks/a.ts",
];
const PACKAGES = ["zod", "pg", "kysely", "redis", "better-auth", "fastify"];

// The importing file, what it imports (a path in the tree, or a package), and the rule that refuses it; undefined where it is fine.
const imports: [from: string, to: string, rule: string | undefined][] = [
  ["src/core/a.ts", "src/data/keys/index.ts", "core-imports-nothing-of-ours"],
  ["src/core/b.ts", "src/core/errors.ts", undefined],
  ["src/core/c.ts", "pg", "core-needs-zod-only"],
  ["src/core/d.ts", "zod", undefined],
  ["src/perimeter/a.ts", "src/data/keys/index.ts", "perimeter-imports-core"],
  ["src/perimeter/b.ts", "src/monitoring/audit/index.ts", "perimeter-imports-core"],
  ["src/perimeter/c.ts", "src/core/errors.ts", "perimeter-imports-core"],
  ["src/perimeter/d.ts", "src/core/index.ts", undefined],
  ["src/perimeter/e.ts", "kysely", "perimeter-needs-no-driver"],
  ["src/perimeter/waf/f.ts", "redis", "perimeter-needs-no-driver"],
  ["src/data/keys/a.ts", "src/application/access/index.ts", "data-imports-core"],
  ["src/data/keys/b.ts", "src/data/tenants/context.ts", "data-imports-core"],
  ["src/data/keys/c.ts", "src/adapters/postgres/index.ts", "data-imports-core"],
  ["src/data/keys/d.ts", "src/data/keys/envelope.ts", undefined],
  ["src/data/secrets/e.ts", "src/data/keys/index.ts", undefined],
  ["src/network/a.ts", "src/data/tenants/index.ts", "network-imports-core-keys-secrets"],
  ["src/network/b.ts", "src/data/keys/envelope.ts", "network-imports-core-keys-secrets"],
  ["src/network/c.ts", "src/data/keys/index.ts", undefined],
  ["src/application/identity/a.ts", "src/perimeter/index.ts", "application-imports-core-and-data"],
  ["src/application/identity/b.ts", "src/data/keys/envelope.ts", "application-imports-core-and-data"],
  ["src/application/identity/c.ts", "src/application/access/decide.ts", "application-imports-core-and-data"],
  ["src/application/identity/d.ts", "src/monitoring/audit/index.ts", "application-imports-core-and-data"],
  ["src/application/identity/e.ts", "src/application/access/index.ts", undefined],
  ["src/application/identity/f.ts", "src/data/keys/index.ts", undefined],
  ["src/monitoring/audit/a.ts", "src/application/identity/index.ts", "monitoring-imports-core-and-data"],
  ["src/monitoring/audit/b.ts", "src/data/keys/index.ts", undefined],
  ["src/assurance/a.ts", "src/data/keys/index.ts", "assurance-imports-core"],
  ["src/assurance/b.ts", "src/core/index.ts", undefined],
  ["src/adapters/redis/a.ts", "src/adapters/postgres/index.ts", "adapters-import-faces-and-no-other-adapter"],
  ["src/adapters/redis/b.ts", "src/data/keys/envelope.ts", "adapters-import-faces-and-no-other-adapter"],
  ["src/adapters/redis/c.ts", "src/ringwall.ts", "adapters-import-faces-and-no-other-adapter"],
  ["src/adapters/redis/d.ts", "src/data/keys/index.ts", undefined],
  ["src/adapters/fastify/e.ts", "src/pipeline.ts", undefined],
  ["src/compose.ts", "src/adapters/postgres/pool.ts", "composition-imports-faces"],
  ["src/compose-well.ts", "src/adapters/postgres/index.ts", undefined],
  ["src/application/access/a.ts", "src/testing/index.ts", "nothing-shipped-imports-testing"],
  ["migrations/0001_a.ts", "bench/main.ts", "nothing-shipped-imports-testing"],
  ["apps/cli/t.ts", "tools/check.ts", "nothing-shipped-imports-testing"],
  ["src/testing/a.ts", "src/adapters/postgres/pool.ts", "testing-imports-faces"],
  ["src/testing/b.ts", "src/adapters/postgres/index.ts", undefined],
  ["migrations/0002_b.ts", "src/data/keys/envelope.ts", "migrations-import-faces"],
  ["migrations/0003_c.ts", "src/core/index.ts", undefined],
  ["src/data/keys/a.test.ts", "src/adapters/postgres/pool.ts", "unit-tests-import-their-folder-and-faces"],
  ["src/core/a.test.ts", "src/data/keys/envelope.ts", "unit-tests-import-their-layer-and-faces"],
  ["src/perimeter/waf/b.test.ts", "src/perimeter/headers.ts", undefined],
  ["src/data/keys/b.test.ts", "src/testing/index.ts", undefined],
  ["src/perimeter/c.test.ts", "src/testing/redis-server.ts", undefined],
  ["src/data/keys/e.test.ts", "test/attacks/a.ts", "unit-tests-import-their-folder-and-faces"],
  ["src/adapters/redis/c.test.ts", "src/testing/store.contract.ts", undefined],
  ["src/data/keys/d.test.ts", "src/data/keys/envelope.ts", undefined],
  ["bench/a.ts", "src/data/keys/envelope.ts", "bench-and-test-import-faces"],
  ["test/breach/b.ts", "src/perimeter/headers.ts", "bench-and-test-import-faces"],
  ["bench/c.ts", "examples/bank/app.ts", undefined],
  ["bench/tax/lean/database.ts", "src/data/keys/envelope.ts", "bench-takes-the-pool-apart"],
  ["tools/a.ts", "src/core/errors.ts", "tools-import-faces"],
  ["tools/b.ts", "src/core/index.ts", undefined],
  ["apps/console/src/a.ts", "src/core/index.ts", "console-imports-nothing-of-ours"],
  ["apps/console/src/b.ts", "ringwall/core", "console-imports-nothing-of-ours"],
  ["apps/cli/a.ts", "examples/bank/app.ts", "apps-and-examples-import-faces"],
  ["apps/cli/b.ts", "src/core/index.ts", "apps-and-examples-say-ringwall"],
  ["apps/cli/c.ts", "src/data/keys/envelope.ts", "apps-and-examples-say-ringwall"],
  ["examples/bank/d.ts", "migrations/index.ts", "apps-and-examples-say-ringwall"],
  ["apps/cli/e.ts", "ringwall/core", undefined],
  ["examples/bank/f.ts", "ringwall/adapters/fastify", undefined],
  ["apps/cli/g.ts", "ringwall/data/keys/envelope", "imports-resolve"],
  ["src/data/keys/f.ts", "better-auth", "shipped-code-needs-no-dev-dependency"],
  ["src/data/keys/g.ts", "left-pad", "imports-resolve"],
  ["src/data/keys/h.test.ts", "better-auth", undefined],
  ["src/assurance/x.ts", "src/assurance/y.ts", "no-cycles"],
];

const Report = z.object({
  summary: z.object({ violations: z.array(z.object({ from: z.string(), rule: z.object({ name: z.string() }) })) }),
});

/** Lays out a small repository with one importing file per row, and cruises it once. */
function cruise(tree: string): Map<string, string[]> {
  const write = (file: string, text: string): void => {
    mkdirSync(path.dirname(path.join(tree, file)), { recursive: true });
    writeFileSync(path.join(tree, file), text);
  };
  for (const file of ["package.json", "tsconfig.json"]) cpSync(path.join(ROOT, file), path.join(tree, file));
  for (const workspace of ["apps/cli", "examples/bank"]) {
    write(`${workspace}/package.json`, JSON.stringify({ name: workspace, dependencies: { ringwall: "file:../.." } }));
  }
  for (const name of PACKAGES) {
    write(`node_modules/${name}/package.json`, JSON.stringify({ name, version: "1.0.0", main: "index.js" }));
    write(`node_modules/${name}/index.js`, "");
  }
  write("src/assurance/y.ts", 'import "./x.ts";\n');
  symlinkSync("..", path.join(tree, "node_modules/ringwall"));
  for (const file of [...FACES, ...INNER]) write(file, "export const here = 1;\n");
  for (const [from, to] of imports) {
    const relative = path.posix.relative(path.posix.dirname(from), to);
    const specifier = !to.endsWith(".ts") ? to : relative.startsWith(".") ? relative : `./${relative}`;
    // Type-only, because those count too.
    write(from, `import type * as there from "${specifier}";\nexport type There = typeof there;\n`);
  }
  const folders = ["src", "apps", "examples", "migrations", "bench", "test", "tools"];
  const bin = path.join(ROOT, "node_modules/dependency-cruiser/bin/dependency-cruiser.mjs");
  const run = spawnSync("node", [bin, "--config", CONFIG, "--output-type", "json", ...folders], {
    cwd: tree,
    encoding: "utf8",
    maxBuffer: 64_000_000,
  });
  const broken = new Map<string, string[]>();
  for (const { from, rule } of Report.parse(JSON.parse(run.stdout)).summary.violations) {
    broken.set(from, [...(broken.get(from) ?? []), rule.name]);
  }
  return broken;
}

describe("the import table", () => {
  const tree = mkdtempSync(path.join(tmpdir(), "ringwall-imports-"));
  let broken = new Map<string, string[]>();
  beforeAll(() => {
    broken = cruise(tree);
  });
  afterAll(() => rmSync(tree, { recursive: true }));

  test.each(imports)("%s importing %s breaks %s", (from, _to, rule) => {
    if (rule === undefined) expect(broken.get(from)).toBeUndefined();
    else expect(broken.get(from)).toContain(rule);
  });

  test("every rule of the configuration has a violation planted here", async () => {
    const config: unknown = await import(CONFIG);
    const { forbidden } = z
      .object({ default: z.object({ forbidden: z.array(z.object({ name: z.string() })) }) })
      .parse(config).default;
    const planted = new Set(imports.map(([, , rule]) => rule));
    expect(forbidden.map((rule) => rule.name).filter((name) => !planted.has(name))).toEqual([]);
  });
});
