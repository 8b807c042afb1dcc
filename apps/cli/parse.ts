import { parseArgs } from "node:util";
import type { Command, Input } from "./command.ts";
import { UsageError } from "./command.ts";
import { nearest } from "./nearest.ts";

// More than any command takes; a command line this long is a mistake of a script.
const ARGUMENTS_MAX = 200;
const ARGUMENT_CHARACTERS_MAX = 8_192;

/** The command whose name begins `words`, the longest match first, and what follows it. */
export function findCommand(
  commands: readonly Command[],
  words: readonly string[],
): { command: Command; rest: readonly string[] } | undefined {
  const fits = (command: Command): boolean => command.name.split(" ").every((part, index) => words[index] === part);
  const command = commands.filter(fits).sort((a, b) => b.name.length - a.name.length)[0];
  if (command === undefined) return undefined;
  return { command, rest: words.slice(command.name.split(" ").length) };
}

/**
 * Reads a command's own arguments.
 * @throws UsageError for an unknown option, a missing value, an option given twice, or too few or too many words.
 */
export function parseInput(command: Command, words: readonly string[]): Input {
  if (words.length > ARGUMENTS_MAX || words.some((word) => word.length > ARGUMENT_CHARACTERS_MAX)) {
    throw new UsageError("the command line is too long");
  }
  const options = command.options ?? {};
  const { tokens } = parseArgs({
    args: [...words],
    options: Object.fromEntries(
      Object.entries(options).map(([name, option]) => [
        name,
        { type: option.value === undefined ? "boolean" : "string" },
      ]),
    ),
    allowPositionals: true,
    strict: false,
    tokens: true,
  });
  const values = new Map<string, string | true>();
  const positionals: string[] = [];
  for (const token of tokens) {
    if (token.kind === "positional") positionals.push(token.value);
    if (token.kind !== "option") continue;
    const value = optionValue(options, token.name, token.rawName, token.value);
    if (values.has(token.name)) throw new UsageError(`--${token.name} is given twice`);
    values.set(token.name, value);
  }
  checkPositionals(command, positionals);
  return makeInput(command, positionals, values);
}

function optionValue(
  options: NonNullable<Command["options"]>,
  name: string,
  rawName: string,
  value: string | undefined,
): string | true {
  const option = Object.hasOwn(options, name) && rawName.startsWith("--") ? options[name] : undefined;
  if (option === undefined) {
    const guess = nearest(name, Object.keys(options));
    throw new UsageError(`unknown option ${rawName}${guess === undefined ? "" : `; did you mean --${guess}?`}`);
  }
  if (option.value === undefined) {
    if (value !== undefined) throw new UsageError(`--${name} takes no value`);
    return true;
  }
  // A value that looks like an option is nearly always a forgotten value: `--data --json`.
  if (value === undefined || value === "" || value.startsWith("--")) {
    throw new UsageError(`--${name} needs a value: --${name} ${option.value}`);
  }
  return value;
}

function checkPositionals(command: Command, given: readonly string[]): void {
  const wanted = command.positionals ?? [];
  const missing = wanted[given.length];
  if (missing !== undefined) throw new UsageError(`${missing.name} is missing`);
  const extra = given[wanted.length];
  if (extra !== undefined) throw new UsageError(`unexpected argument ${JSON.stringify(extra)}`);
}

function makeInput(
  command: Command,
  positionals: readonly string[],
  values: ReadonlyMap<string, string | true>,
): Input {
  const read = (name: string): string | true | undefined => {
    // A name the command did not declare is our mistake, not the user's.
    if (command.options?.[name] === undefined) throw new TypeError(`${command.name} reads undeclared --${name}`);
    return values.get(name);
  };
  const text = (name: string): string | undefined => {
    const value = read(name);
    return value === true ? undefined : value;
  };
  return {
    positionals,
    flag: (name) => read(name) === true,
    text,
    whole(name, least, most) {
      const value = text(name);
      if (value === undefined) return undefined;
      const number = /^\d{1,15}$/.test(value) ? Number(value) : Number.NaN;
      if (!(number >= least && number <= most)) {
        throw new UsageError(`--${name} must be a whole number from ${least} to ${most}`);
      }
      return number;
    },
  };
}
