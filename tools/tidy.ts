/**
 * Style as a test, after TigerBeetle's `tidy.zig`: each ban names what to use instead.
 *
 * Reads every file that git knows or would add. A line that must break a rule says so on itself or on the line above:
 * `tidy-allow(rule): the reason, in a sentence`. An allowance that allows nothing is a finding too.
 *
 * @module
 */
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { checkSyntax, placeOf, type Report } from "./tidy-syntax.ts";

/** One broken rule, with the place and what to do instead. */
export interface Finding {
  readonly file: string;
  readonly line: number;
  readonly rule: string;
  readonly message: string;
}

const FILE_LINES_MAX = 400;
const FOLDER_SOURCES_MAX = 15;
/** Shorter than this, an allowance's reason is not a sentence. */
const REASON_CHARACTERS_MIN = 15;
const BINARY_PROBE_BYTES = 8_192;

const isSource = (file: string): boolean => /\.([cm]?[jt]s|tsx)$/.test(file) && !file.endsWith(".d.ts");
const isUnitTest = (file: string): boolean => /\.(test|contract)\.tsx?$/.test(file);

// Written with brackets, so that this file does not find itself.
const UNFINISHED = /\b(FIX[M]E|TO[D]O|X[X]X)\b/g;
const MACHINE_PATH = /(?<![\w.~}$:/-])\/(root|home|work|tmp)(?=[/"'`])(?!\/?\.\.\.)/g;
const SUPPRESSION =
  /@ts-(?:ignore|nocheck)|(?:@ts-expect-error|(?:oxlint|eslint)-disable\S*|biome-ignore)(?!.*(?::|--)\s*\S.{14})/g;
// `common` alone says nothing; `common-passwords` is a list that people know by that name.
const VAGUE_NAME = /(^|[-.])(utils?|helpers?|manager)([-.]|$)|^common$/i;

function checkText(file: string, text: string, report: Report): void {
  const find = (rule: string, pattern: RegExp, message: string): void => {
    for (const match of text.matchAll(pattern)) report(rule, match.index, `${match[0]}: ${message}`);
  };
  const place = placeOf(file);
  if (!file.endsWith(".md")) find("unfinished", UNFINISHED, "finish it, or open an issue and link it in a sentence");
  if (!place.isTest)
    find("machine-path", MACHINE_PATH, "a path of one machine: take it from configuration or os.tmpdir()");
  if (!isSource(file)) return;
  find(
    "suppression",
    SUPPRESSION,
    "fix the cause; an unavoidable one is @ts-expect-error or a disable comment with its reason",
  );
  const lines = text.split("\n").length - 1;
  if (lines > FILE_LINES_MAX)
    report("file-length", 0, `${lines} lines: a file past ${FILE_LINES_MAX} holds two things`);
}

function checkMigration(file: string, text: string, listed: string, report: Report): void {
  const name = path.posix.basename(file, ".ts");
  if (!listed.includes(`./${name}.ts`)) report("migration", 0, "is not listed in migrations/migrate.ts");
  const lower = text.toLowerCase();
  for (const match of lower.matchAll(
    /create\s+(?:unlogged\s+)?table\s+(?:if\s+not\s+exists\s+)?(?:ringwall\.)?([\w]+)|createtable\(["'](?:ringwall\.)?(\w+)/g,
  )) {
    const table = match[1] ?? match[2] ?? "";
    if (new RegExp(`global table ${table}: .{${REASON_CHARACTERS_MIN}}`).test(lower)) continue;
    const says = (pattern: string): boolean =>
      new RegExp(pattern.replaceAll("TABLE", `(?:ringwall\\.)?${table}\\b`)).test(lower);
    if (says(`["'\`]TABLE["'\`]`) && /\bwall\(/.test(lower)) continue;
    const isWalled =
      says(String.raw`alter\s+table\s+TABLE\s+enable\s+row\s+level\s+security`) &&
      says(String.raw`alter\s+table\s+TABLE\s+force\s+row\s+level\s+security`) &&
      says(String.raw`create\s+policy\s+\w*wall\w*\s+on\s+TABLE\s+as\s+restrictive\s+for\s+all`);
    if (isWalled) continue;
    report(
      "migration",
      match.index,
      `table ${table} has no wall: call wall(db, table, roles), or say "global table ${table}: why" in a comment`,
    );
  }
}

function checkFolders(
  files: readonly string[],
  read: (file: string) => string,
  report: (file: string, rule: string, message: string) => void,
): void {
  const folders = new Map<string, string[]>();
  for (const file of files) {
    if (file.split("/").some((part) => VAGUE_NAME.test(part.replace(/\.[^.]+$/, "")))) {
      report(file, "vague-name", "name the thing: util, helper, common and manager say nothing");
    }
    if (!isSource(file) || isUnitTest(file)) continue;
    const folder = path.posix.dirname(file);
    folders.set(folder, [...(folders.get(folder) ?? []), file]);
  }
  for (const [folder, sources] of folders) {
    if (sources.length > FOLDER_SOURCES_MAX && !/^(migrations|test)(\/|$)/.test(folder)) {
      report(
        folder,
        "folder-size",
        `${sources.length} source files: above ${FOLDER_SOURCES_MAX} a folder holds two modules`,
      );
    }
    if (!folder.startsWith("src/")) continue;
    const face = `${folder}/index.ts`;
    if (!sources.includes(face)) report(folder, "module-doc", "has no index.ts: a folder has one face");
    else if (!/\/\*\*[\s\S]*?@module[\s\S]*?\*\//.test(read(face))) {
      report(
        face,
        "module-doc",
        "needs a module doc ending in @module: what it guards, what not, limits, how it fails",
      );
    }
  }
}

/** Takes out what a line allows by name and reason, and adds the allowances that allow nothing. */
function applyAllowances(file: string, text: string, findings: readonly Finding[]): Finding[] {
  const left = new Set(findings);
  text.split("\n").forEach((content, index) => {
    const allowance = /\btidy-allow\(([\w-]+)\): (.+)/.exec(content);
    if (allowance === null) return;
    const [, rule = "", reason = ""] = allowance;
    const allowed = findings.filter(
      (finding) => finding.rule === rule && [index + 1, index + 2].includes(finding.line),
    );
    if (allowed.length > 0 && reason.length >= REASON_CHARACTERS_MIN)
      for (const finding of allowed) left.delete(finding);
    else left.add({ file, line: index + 1, rule: "allowance", message: `allows nothing, or gives no reason: ${rule}` });
  });
  return [...left];
}

/** Checks a tree given as path to content. Pure, so that tests plant violations without touching the disk. */
export function tidy(tree: ReadonlyMap<string, Buffer | string>): Finding[] {
  const findings: Finding[] = [];
  const textOf = (file: string): string => String(tree.get(file) ?? "");
  const listed = textOf("migrations/migrate.ts");
  for (const [file, content] of tree) {
    if (Buffer.isBuffer(content) && content.subarray(0, BINARY_PROBE_BYTES).includes(0)) {
      findings.push({
        file,
        line: 1,
        rule: "binary",
        message: "a binary file: fetch it by version and digest, or generate it",
      });
      continue;
    }
    if (file === "package-lock.json" || file === "LICENSE" || /^tools\/tidy(\.test)?\.ts$/.test(file)) continue;
    const text = String(content);
    const found: Finding[] = [];
    const report: Report = (rule, at, message) => {
      found.push({ file, line: text.slice(0, at).split("\n").length, rule, message });
    };
    checkText(file, text, report);
    if (isSource(file)) checkSyntax(file, text, report);
    if (/^migrations\/\d{4}_\w+\.ts$/.test(file)) checkMigration(file, text, listed, report);
    findings.push(...applyAllowances(file, text, found));
  }
  checkFolders([...tree.keys()], textOf, (file, rule, message) => findings.push({ file, line: 1, rule, message }));
  return findings;
}

/** The files of the repository: those git tracks and those it would add. */
export function repositoryTree(root: string): Map<string, Buffer> {
  const listed = execFileSync("git", ["ls-files", "-z", "--cached", "--others", "--exclude-standard"], {
    cwd: root,
    encoding: "utf8",
  });
  const files = listed.split("\0").filter((file) => file !== "" && existsSync(path.join(root, file)));
  return new Map(files.map((file) => [file, readFileSync(path.join(root, file))]));
}

if (import.meta.main) {
  const findings = tidy(repositoryTree(path.resolve(import.meta.dirname, "..")));
  for (const { file, line, rule, message } of findings) console.log(`${file}:${line}  ${rule}: ${message}`);
  process.exitCode = findings.length === 0 ? 0 : 1;
}
