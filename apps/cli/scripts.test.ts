import { readdirSync, readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { commands } from "./commands/index.ts";
import { recorded } from "./context.fixture.ts";
import { commandHelp, usageLine } from "./help.ts";
import { findCommand, parseInput } from "./parse.ts";
import { run } from "./run.ts";

/**
 * Text scripts: `$ ringwall ...` is a command line, the lines below it what it says (`!` before those on stderr), and
 * `exit N` ends it. They are the promise to scripts and people; a change of them is a change of the product.
 */
interface Step {
  readonly line: string;
  readonly said: readonly string[];
  readonly exit: number;
}

function parseScript(text: string): readonly Step[] {
  const steps: Step[] = [];
  let line = "";
  let said: string[] = [];
  for (const row of text.split("\n")) {
    if (row.startsWith("#")) continue;
    if (row.startsWith("$ ringwall")) {
      line = row.slice("$ ringwall".length).trim();
      said = [];
    } else if (/^exit \d$/.test(row)) {
      steps.push({ line, said, exit: Number(row.slice(5)) });
    } else if (said.length > 0 || row !== "") {
      said.push(row);
    }
  }
  return steps;
}

const folder = new URL("scripts/", import.meta.url);
for (const name of readdirSync(folder)) {
  const steps = parseScript(readFileSync(new URL(name, folder), "utf8"));
  test.each(steps)(`${name}: ringwall $line`, async ({ line, said, exit }) => {
    const heard: string[] = [];
    const keep = (mark: string) => (text: string) => void heard.push(...text.split("\n").map((row) => mark + row));
    const { context } = recorded({}, { stdout: keep(""), stderr: keep("! ") });
    const words = line === "" ? [] : line.split(" ");
    const code = await run(commands, words, context);
    expect(heard.map((row) => row.trimEnd()).join("\n")).toBe(said.join("\n").trimEnd());
    expect(code).toBe(exit);
  });
}

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
