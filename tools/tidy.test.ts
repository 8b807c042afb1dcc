import path from "node:path";
import { describe, expect, test } from "vitest";
import { repositoryTree, tidy } from "./tidy.ts";

const FACE = "/**\n * What it guards.\n *\n * @module\n */\n";

/** The rules that one planted file breaks, beside a face so that the folder itself is fine. */
function rulesBroken(file: string, content: string): string[] {
  const folder = path.posix.dirname(file);
  const tree = new Map([[file, content]]);
  if (folder.startsWith("src/") && !file.endsWith("index.ts")) tree.set(`${folder}/index.ts`, FACE);
  if (folder === "migrations") tree.set("migrations/migrate.ts", `import "./${path.posix.basename(file)}";\n`);
  return tidy(tree).map((finding) => finding.rule);
}

const lines = (count: number): string => "let a = 0;\n".repeat(count);
const SRC = "src/data/keys/open.ts";
const TABLE = "create table ringwall.secret (tenant_id text not null)";
const WALLED = `alter table ringwall.secret enable row level security;
  alter table ringwall.secret force row level security;
  create policy tenant_wall on ringwall.secret as restrictive for all using (tenant_id = (select ringwall.tenant()))`;

// rule, the file that breaks it, its benign twin
const bans: [rule: string, bad: [string, string], good: [string, string]][] = [
  ["random", [SRC, "Math.random();"], [SRC, "Math.round(1);"]],
  ["clock", [SRC, "Date.now();"], ["src/core/clock.ts", "Date.now();"]],
  ["clock", [SRC, "const now = Date.now;"], [SRC, "const now = clock();"]],
  ["clock", [SRC, "new Date();"], [SRC, "new Date(ms);"]],
  ["process", [SRC, "process.env;"], ["apps/server/main.ts", "process.env;"]],
  ["process", [SRC, "process['env'];"], ["tools/a.ts", "process['env'];"]],
  ["process", [SRC, "globalThis.process.pid;"], ["bench/a.ts", "globalThis.process.pid;"]],
  ["process", [SRC, 'import { env } from "node:process";'], [SRC, 'import { join } from "node:path";']],
  ["process", [SRC, "process.kill(pid);"], ["src/adapters/embedded-postgres/stop.ts", "process.kill(pid);"]],
  ["process", ["src/adapters/embedded-postgres/stop.ts", "process.env;"], [SRC, "process.nextTick(f);"]],
  ["secret-comparison", [SRC, "a.sessionToken === b;"], [SRC, "a.sessionToken === undefined;"]],
  ["secret-comparison", [SRC, "mac !== given;"], [SRC, "equalSecret(mac, given);"]],
  ["secret-comparison", [SRC, "given == passwordHash;"], [SRC, 'typeof passwordHash === "string";']],
  ["secret-comparison", [SRC, "signature.equals(given);"], [SRC, "name.equals(given);"]],
  ["console", [SRC, 'console.log("x");'], ["apps/cli/main.ts", 'console.log("x");']],
  ["sql", [SRC, "run(`select * from ${table} where a = 1`);"], [SRC, "sql`select * from ${table} where a = 1`;"]],
  ["sql", [SRC, "run(`update ${t} set a = 1`);"], [SRC, "log(`could not update ${t}`);"]],
  ["sql", [SRC, 'run("delete from a where b = " + id);'], [SRC, 'run("delete from a " + "where b = $1");']],
  ["sql", [SRC, "run(`alter user ${name} password 'x'`);"], [SRC, "log(`select a bank, ${name}`);"]],
  ["sql", [SRC, "run(`insert into a values (` + `${v})`);"], [SRC, 'run("insert into a values ($1)");']],
  ["sql", [SRC, "sql.raw(text);"], [SRC, 'sql.raw("now()");']],
  ["sql", [SRC, 'statement("a", TEXT);'], [SRC, 'statement("a", `select 1`);']],
  [
    "cipher",
    [SRC, 'import { createCipheriv } from "node:crypto";'],
    ["src/data/keys/envelope.ts", "createCipheriv();"],
  ],
  [
    "sql",
    ["migrations/context.ts", "const body = `select ${now} from x`;"],
    ["migrations/context.ts", "`select ${NOW_MS} from x`;"],
  ],
  ["sql", [SRC, "run(`select ${COLUMNS} from x`);"], ["src/data/keys/a.test.ts", "run(`drop table ${quoted}`);"]],
  ["cipher", [SRC, "crypto.createDecipheriv(a);"], ["bench/tax/a.ts", "crypto.createDecipheriv(a);"]],
  ["tls", [SRC, "connect({ rejectUnauthorized: false });"], [SRC, "connect({ rejectUnauthorized: true });"]],
  ["error-code", [SRC, 'throw new Error("no");'], [SRC, 'throw new RingwallError("internal");']],
  ["unfinished", [SRC, "// FIXME later"], [SRC, "// finished"]],
  ["unfinished", [SRC, "// TODO later"], [SRC, "// the mastodon"]],
  ["suppression", [SRC, "// @ts-ignore"], [SRC, "// @ts-expect-error: the driver's type lacks this field"]],
  [
    "suppression",
    [SRC, "// oxlint-disable-next-line"],
    [SRC, "// oxlint-disable-next-line a -- the rule cannot see this"],
  ],
  ["machine-path", [SRC, 'read("/home/someone/x");'], ["test/a.test.ts", 'read("/home/someone/x");']],
  ["machine-path", ["docs/a.md", "see `/home/someone/x`"], ["docs/a.md", "see https://example.org/work/x and ./tmp/x"]],
  ["machine-path", [SRC, 'const D = "/tmp";'], [SRC, "const D = tmpdir();"]],
  ["vague-name", ["src/data/keys/utils.ts", ""], ["src/data/keys/utility-bill.ts", ""]],
  ["vague-name", ["src/data/keys/common.ts", ""], ["src/data/keys/common-passwords.ts", ""]],
  ["vague-name", ["test/helpers/a.ts", ""], ["test/helpline/a.ts", ""]],
  ["vague-name", ["src/data/keys/key-manager.ts", ""], ["src/data/keys/key-tree.ts", ""]],
  ["file-length", [SRC, lines(401)], [SRC, lines(400)]],
  ["function-length", [SRC, `function f() {\n${lines(69)}}`], [SRC, `function f() {\n${lines(68)}}`]],
  ["function-length", [SRC, `const f = () => {\n${lines(69)}};`], ["test/a.test.ts", `f(() => {\n${lines(69)}});`]],
  ["module-doc", ["src/data/keys/index.ts", "export {};"], ["src/data/keys/index.ts", FACE]],
  ["test-off", ["src/a/a.test.ts", "test.only('a', f);"], ["src/a/a.test.ts", "test.skipIf(noRedis)('a', f);"]],
  ["test-off", ["test/a.test.ts", "describe.skip('a', f);"], ["test/a.test.ts", "describe.each(a)('a', f);"]],
  ["migration", ["migrations/0001_a.ts", TABLE], ["migrations/0001_a.ts", `${TABLE}; ${WALLED}`]],
  ["migration", ["migrations/0001_a.ts", TABLE], ["migrations/0001_a.ts", `${TABLE}; wall(db, "secret", [])`]],
  ["migration", ["migrations/0001_a.ts", `${TABLE}; wall(db, "other", [])`], ["migrations/0001_a.ts", WALLED]],
  [
    "migration",
    ["migrations/0001_a.ts", `${TABLE}; ${WALLED.replace("force", "enable")}`],
    ["migrations/0001_a.ts", `// global table secret: one row per installation, nothing of a tenant\n${TABLE}`],
  ],
  [
    "migration",
    ["migrations/0001_a.ts", `${TABLE}; ${WALLED.replace("restrictive", "permissive")}`],
    ["migrations/0001_a.ts", "select 1"],
  ],
  [
    "allowance",
    [SRC, "// tidy-allow(sql): nothing here builds any statement\nf();"],
    [SRC, "// tidy-allow(sql): utility statements take no bind parameters\nrun(`drop table ${quoted}`);"],
  ],
];

describe("tidy refuses what the style forbids", () => {
  test.each(bans)("%s: %j, and lets %j pass", (rule, bad, good) => {
    expect(rulesBroken(...bad)).toContain(rule);
    expect(rulesBroken(...good)).not.toContain(rule);
  });

  test("a folder of sixteen sources is two modules; tests are not counted", () => {
    const folder = (count: number, name: (n: number) => string): Map<string, string> =>
      new Map([
        ["src/data/keys/index.ts", FACE],
        ...Array.from({ length: count }, (_, n): [string, string] => [name(n), ""]),
      ]);
    expect(tidy(folder(15, (n) => `src/data/keys/a${n}.ts`)).map((finding) => finding.rule)).toEqual(["folder-size"]);
    expect(tidy(folder(15, (n) => `src/data/keys/a${n}.test.ts`))).toEqual([]);
  });

  test("a folder of src without a face is refused", () => {
    expect(tidy(new Map([["src/data/keys/open.ts", ""]])).map((finding) => finding.rule)).toEqual(["module-doc"]);
  });

  test("a migration that is not in the list is refused", () => {
    const tree = new Map([
      ["migrations/0001_a.ts", ""],
      ["migrations/migrate.ts", 'import "./0002_b.ts";'],
    ]);
    expect(tidy(tree).map((finding) => finding.rule)).toEqual(["migration"]);
  });

  test("a binary file is refused", () => {
    expect(tidy(new Map([["docs/a.png", Buffer.from([0x89, 0x50, 0, 0])]])).map((finding) => finding.rule)).toEqual([
      "binary",
    ]);
  });

  test("an allowance without a sentence of reason allows nothing", () => {
    expect(rulesBroken(SRC, "// tidy-allow(random): why not\nMath.random();")).toEqual(["random", "allowance"]);
  });
});

test("this repository is tidy", () => {
  const findings = tidy(repositoryTree(path.resolve(import.meta.dirname, "..")));
  expect(findings.map(({ file, line, rule, message }) => `${file}:${line} ${rule}: ${message}`)).toEqual([]);
});
