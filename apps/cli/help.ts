import type { Command } from "./command.ts";

const EXIT_CODES = [
  ["0", "done"],
  ["1", "failed or refused, or a check found something"],
  ["2", "the command line was wrong; nothing was done"],
  ["3", "no server answered"],
] as const;

const HELP_ROW = ["--help", "Show this help"] as const;
const COLUMN_GAP = 2;
const TEXT_WIDTH = 96;

/** The one-line form: `ringwall secrets set NAME [--file FILE] [--json]`. */
export function usageLine(command: Command): string {
  const words = (command.positionals ?? []).map((positional) => positional.name);
  const options = Object.entries(command.options ?? {}).map(([name, option]) =>
    option.value === undefined ? `[--${name}]` : `[--${name} ${option.value}]`,
  );
  return ["ringwall", command.name, ...words, ...options].join(" ");
}

/** `ringwall COMMAND --help`. */
export function commandHelp(command: Command): string {
  const options = Object.entries(command.options ?? {}).map(
    ([name, option]) =>
      [option.value === undefined ? `--${name}` : `--${name} ${option.value}`, option.summary] as const,
  );
  const words = (command.positionals ?? []).map((positional) => [positional.name, positional.summary] as const);
  return [
    `${command.summary}.`,
    ...(command.about === undefined ? [] : ["", wrap(command.about)]),
    "",
    `Usage: ${usageLine(command)}`,
    ...(words.length === 0 ? [] : ["", "Arguments:", ...table(words)]),
    "",
    "Options:",
    ...table([...options, HELP_ROW]),
    "",
    "Examples:",
    ...command.examples.flatMap(([line, meaning]) => [`  # ${meaning}`, `  ${line}`]),
    "",
    `Exit codes: ${EXIT_CODES.map(([code, meaning]) => `${code} ${meaning}`).join("; ")}.`,
  ].join("\n");
}

/** `ringwall --help`, or `ringwall secrets --help` for the commands of one noun. */
export function groupHelp(commands: readonly Command[], group: string): string {
  const under = group === "" ? commands : commands.filter((command) => command.name.startsWith(`${group} `));
  return [
    group === "" ? "Ringwall: the security layer for multi-tenant SaaS." : `Commands of "${group}".`,
    "",
    `Usage: ringwall ${group === "" ? "COMMAND" : `${group} COMMAND`} [OPTIONS]`,
    "",
    "Commands:",
    ...table(under.map((command) => [command.name, command.summary] as const)),
    "",
    `"ringwall COMMAND --help" shows a command's options and examples.`,
    "",
    "Exit codes:",
    ...table(EXIT_CODES),
  ].join("\n");
}

/** Rows of two columns, indented, the second one aligned. */
export function table(rows: readonly (readonly [string, string])[]): readonly string[] {
  const width = Math.max(0, ...rows.map(([left]) => left.length)) + COLUMN_GAP;
  return rows.map(([left, right]) => `  ${left.padEnd(width)}${right}`.trimEnd());
}

function wrap(text: string): string {
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(" ")) {
    if (line !== "" && line.length + 1 + word.length > TEXT_WIDTH) {
      lines.push(line);
      line = word;
    } else {
      line = line === "" ? word : `${line} ${word}`;
    }
  }
  return [...lines, line].join("\n");
}
