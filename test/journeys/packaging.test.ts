import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, onTestFinished, test } from "vitest";
import { z } from "zod";
import { commands } from "../../apps/cli/commands/index.ts";
import { findCommand, parseInput } from "../../apps/cli/parse.ts";

// No Docker engine and no systemd is assumed: the files are held against the page that names them, against the command
// line, and against systemd-analyze where it is there.

const ROOT = fileURLToPath(new URL("../../", import.meta.url)).replace(/\/$/, "");
const read = (name: string): string => readFileSync(join(ROOT, name), "utf8");
const PAGE = read("docs/operating/install.md");
const UNIT = read("packaging/ringwall.service");
const Words = z.array(z.string().min(1)).min(1);

/** A block of the page with its settings as they stand there, as one line of words. */
function pageCommand(kind: string): string {
  const block = (name: string): string =>
    new RegExp(`^\`\`\`sh ${name}\\n([\\s\\S]*?)^\`\`\`$`, "m").exec(PAGE)?.[1] ?? "";
  const settings = [...block("settings").matchAll(/^([A-Z_]+)=(.*)$/gm)];
  return settings
    .reduce((text, [, name = "", value = ""]) => text.replaceAll(`$${name}`, value), block(kind))
    .replaceAll('"', "")
    .trim();
}

/** The command of a command line, if the line is one of ours. */
function ours(words: readonly string[]): string | undefined {
  const found = findCommand(commands, words);
  if (found === undefined) return undefined;
  parseInput(found.command, found.rest);
  return found.command.name;
}

interface Line {
  readonly section: string;
  readonly key: string;
  readonly value: string;
}

/** @throws Error naming the line that is neither a section, a comment nor `Key=value`. */
function parseUnit(text: string): readonly Line[] {
  let section = "";
  return text.split("\n").flatMap((line): Line[] => {
    if (/^(#.*)?$/.test(line)) return [];
    const head = /^\[([A-Z][a-z]+)\]$/.exec(line)?.[1];
    section = head ?? section;
    if (head !== undefined) return [];
    const [, key, value] = /^([A-Z][A-Za-z]+)=(.*)$/.exec(line) ?? [];
    if (key === undefined || value === undefined || section === "") throw new Error(`not of a unit: ${line}`);
    return [{ section, key, value }];
  });
}

function analyze(unit: string): { readonly status: number | null; readonly complaint: string } {
  const folder = mkdtempSync(join(tmpdir(), "rw-unit-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const file = join(folder, "ringwall.service");
  // The commands have to be there for it.
  writeFileSync(file, unit.replaceAll("/opt/ringwall", ROOT));
  const { status, stderr, stdout } = spawnSync("systemd-analyze", ["verify", file], { encoding: "utf8" });
  return { status, complaint: stdout + stderr };
}

const analyzeMissing = spawnSync("systemd-analyze", ["--version"]).status === 0 ? undefined : "no systemd-analyze here";

describe("packaging/ringwall.service", () => {
  test("has known sections, runs the very command of the page, as somebody who is not root", () => {
    const lines = parseUnit(UNIT);
    expect(new Set(lines.map(({ section }) => section))).toEqual(new Set(["Unit", "Service", "Install"]));
    const value = (key: string): string => lines.find((line) => line.key === key)?.value ?? "";
    const node = "/opt/ringwall/node_modules/.bin/node --conditions=source /opt/ringwall/apps/cli/main.ts ";
    expect(value("ExecStart")).toBe(pageCommand("service").replace(/^ringwall /, node));
    expect(ours(pageCommand("service").split(" ").slice(1))).toBe("start");
    expect(value("User")).toBe("ringwall");
    expect(value("Documentation")).toBe("file:/opt/ringwall/docs/operating/install.md");
    for (const [, name = ""] of UNIT.matchAll(/\/opt\/ringwall\/([\w./-]+)/g)) {
      expect([name, existsSync(join(ROOT, name))]).toEqual([name, true]);
    }
    expect(() => parseUnit("[Service]\nExecStart /bin/true")).toThrow("not of a unit");
  });

  test.skipIf(analyzeMissing !== undefined)(
    `satisfies systemd-analyze verify${analyzeMissing === undefined ? "" : ` (skipped: ${analyzeMissing})`}`,
    () => {
      expect(analyze(UNIT)).toEqual({ status: 0, complaint: "" });
      // It says what it does not know, so that silence means something.
      expect(analyze(UNIT.replace("ProtectClock", "ProtectClok")).complaint).toContain("ProtectClok");
    },
  );
});

describe("the page's own console block", () => {
  test("is syntax that a shell takes, and names files that are there", () => {
    const block = /^```console\n([\s\S]*?)^```$/m.exec(PAGE)?.[1] ?? "";
    expect(spawnSync("bash", ["-n"], { input: block }).status).toBe(0);
    for (const [, name = ""] of block.matchAll(
      /(?<=^| )(?:\/opt\/ringwall\/)?((?:packaging|apps|node_modules)\/[\w./-]+)/gm,
    )) {
      expect([name, existsSync(join(ROOT, name))]).toEqual([name, true]);
    }
  });
});

interface Instruction {
  readonly name: string;
  readonly words: readonly string[];
  readonly rest: string;
  readonly stage: number;
}

const KNOWN = new Set([
  "FROM",
  "WORKDIR",
  "COPY",
  "RUN",
  "USER",
  "VOLUME",
  "EXPOSE",
  "STOPSIGNAL",
  "ENTRYPOINT",
  "CMD",
]);

/** @throws Error naming what is no instruction. */
function parseContainerfile(text: string): readonly Instruction[] {
  let stage = -1;
  return text
    .replaceAll("\\\n", " ")
    .split("\n")
    .filter((line) => !/^\s*(#.*)?$/.test(line))
    .map((line) => {
      const [name = "", ...words] = line.split(/\s+/);
      if (!KNOWN.has(name) || words.length === 0) throw new Error(`not an instruction: ${line}`);
      if (name === "FROM") stage += 1;
      if (stage < 0) throw new Error("an image begins with FROM");
      return { name, words, rest: line.slice(name.length + 1), stage };
    });
}

describe("packaging/Containerfile", () => {
  const instructions = parseContainerfile(read("packaging/Containerfile"));
  const last = Math.max(...instructions.map(({ stage }) => stage));
  const final = (name: string): Instruction | undefined =>
    instructions.findLast((one) => one.name === name && one.stage === last);

  test("has known instructions, and stages that copy what is there", () => {
    const stages = instructions.filter(({ name }) => name === "FROM").map(({ words }) => words[2] ?? "");
    for (const { name, words } of instructions) {
      if (name !== "COPY") continue;
      const from = words.find((word) => word.startsWith("--from="))?.slice("--from=".length);
      if (from !== undefined) expect(stages).toContain(from);
      const sources = words.filter((word) => !word.startsWith("--")).slice(0, -1);
      for (const source of from === undefined ? sources : []) {
        expect([source, existsSync(join(ROOT, source))]).toEqual([source, true]);
      }
    }
    for (const { name, rest } of instructions) {
      if (name === "RUN") expect([rest, spawnSync("bash", ["-n"], { input: rest }).status]).toEqual([rest, 0]);
    }
    expect(() => parseContainerfile("FORM scratch")).toThrow("not an instruction");
    expect(() => parseContainerfile("RUN true")).toThrow("begins with FROM");
  });

  test("brings every workspace's manifest before it installs, and every folder that runs", () => {
    const { workspaces } = z.object({ workspaces: z.array(z.string()) }).parse(JSON.parse(read("package.json")));
    const copied = instructions.filter(({ name }) => name === "COPY").flatMap(({ words }) => words);
    for (const workspace of workspaces) expect(copied).toContain(`${workspace}/package.json`);
    expect(copied).toEqual(expect.arrayContaining(["apps", "migrations", "src"]));
  });

  test("starts our server as nobody's root, by words and not by a shell", () => {
    expect(final("USER")?.rest).toMatch(/^[1-9]\d*:[1-9]\d*$/);
    const entry = Words.parse(JSON.parse(final("ENTRYPOINT")?.rest ?? ""));
    expect(entry).toEqual(["node", "--conditions=source", "apps/cli/main.ts"]);
    expect(ours(Words.parse(JSON.parse(final("CMD")?.rest ?? "")))).toBe("start");
    expect(final("STOPSIGNAL")?.rest).toBe("SIGTERM");
    expect(final("EXPOSE")?.rest).toBe("7400");
  });
});
