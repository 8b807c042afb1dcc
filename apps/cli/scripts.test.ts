import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { commands } from "./commands/index.ts";
import { recorded } from "./context.fixture.ts";
import { commandHelp, usageLine } from "./help.ts";
import { findCommand, parseInput } from "./parse.ts";
import { run } from "./run.ts";

/**
 * Text scripts: `$ ringwall ...` is a command line, the lines below it what it says (`!` before those on stderr), and
 * `exit N` ends it. They are the promise to scripts and people, so a change of them is a change of the product: look at
 * the difference, then `vitest run apps/cli/scripts.test.ts -u`.
 */
async function play(title: string, lines: readonly string[]): Promise<string> {
  const steps: string[] = [];
  for (const line of lines) {
    const said: string[] = [];
    const keep = (mark: string) => (text: string) => {
      said.push(...text.split("\n").map((row) => (mark + row).trimEnd()));
    };
    const { context } = recorded({}, { stdout: keep(""), stderr: keep("! ") });
    const code = await run(commands, line === "" ? [] : line.split(" "), context);
    steps.push([`$ ringwall ${line}`.trimEnd(), ...said, `exit ${code}`].join("\n"));
  }
  return `# ${title}\n\n${steps.join("\n\n")}\n`;
}

test("--help says for each command what the script says", async () => {
  const lines = ["--help", "help", "secrets --help", ...commands.map((command) => `${command.name} --help`)];
  await expect(await play("What --help says.", lines)).toMatchFileSnapshot("scripts/help.txt");
});

test("a wrong command line gets what the script says, and nothing is done", async () => {
  const script = readFileSync(new URL("scripts/mistakes.txt", import.meta.url), "utf8");
  const lines = [...script.matchAll(/^\$ ringwall ?(.*)$/gm)].map((match) => match[1] ?? "");
  expect(lines.length).toBeGreaterThan(20);
  await expect(await play("What a wrong command line gets.", lines)).toMatchFileSnapshot("scripts/mistakes.txt");
});

test.each(commands)("$name has a usage, help and examples that parse as its own command lines", (command) => {
  expect(commandHelp(command)).toContain(usageLine(command));
  expect(command.summary).toMatch(/^[A-Z][^\n]*[^.]$/);
  expect(command.examples.length).toBeGreaterThan(0);
  for (const [line] of command.examples) {
    const plain = line.replace(/ (?:<|>|>>|\|) .*$/, "");
    // Shell words: the examples use double quotes and no escapes.
    const words = [...plain.matchAll(/"([^"]*)"|(\S+)/g)].map((match) => match[1] ?? match[2] ?? "");
    expect(words[0]).toBe("ringwall");
    const found = findCommand(commands, words.slice(1));
    expect(found?.command).toBe(command);
    parseInput(command, found?.rest.filter((word) => word !== "...") ?? []);
  }
});

test("no two commands share a name, and none takes a secret as an argument", () => {
  expect(new Set(commands.map((command) => command.name)).size).toBe(commands.length);
  const names = commands.flatMap((command) => Object.entries(command.options ?? {}));
  for (const [name, option] of names) {
    if (/secret|password|token|credential|key/.test(name)) expect(option.value).toBe("FILE");
  }
});
