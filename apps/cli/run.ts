import { RingwallError } from "ringwall/core";
import type { Command, Context, ExitCode } from "./command.ts";
import { CommandFailed, EXIT, UsageError } from "./command.ts";
import { commandHelp, groupHelp, usageLine } from "./help.ts";
import { nearest } from "./nearest.ts";
import { findCommand, parseInput } from "./parse.ts";

const HELP = new Set(["--help", "-h"]);

/** Runs one command line and returns the exit code. Writes only through the context. */
export async function run(commands: readonly Command[], words: readonly string[], context: Context): Promise<ExitCode> {
  const wantsHelp = words.some((word) => HELP.has(word));
  const spoken = words[0] === "help" ? words.slice(1) : words.filter((word) => !HELP.has(word));
  const found = findCommand(commands, spoken);
  if (found === undefined) return showGroup(commands, spoken, wantsHelp || words[0] === "help", context);
  if (wantsHelp || words[0] === "help") {
    context.stdout(commandHelp(found.command));
    return EXIT.ok;
  }
  try {
    return await found.command.run(parseInput(found.command, found.rest), context);
  } catch (error) {
    return report(error, found.command, context);
  }
}

/** No command by that name: the help of a noun, of everything, or the nearest name. */
function showGroup(commands: readonly Command[], words: readonly string[], asked: boolean, context: Context): ExitCode {
  const [noun = "", verb] = words;
  const isGroup = noun !== "" && commands.some((command) => command.name.startsWith(`${noun} `));
  if (noun === "" || (isGroup && verb === undefined)) {
    const help = groupHelp(commands, noun);
    // Asked for, help is the answer; otherwise it is a correction.
    if (asked) context.stdout(help);
    else context.stderr(help);
    return asked ? EXIT.ok : EXIT.usage;
  }
  const spoken = isGroup ? `${noun} ${verb ?? ""}` : noun;
  const names = commands.map((command) => command.name);
  const nouns = [...new Set(names.map((name) => name.split(" ")[0] ?? ""))];
  const guess = nearest(spoken, isGroup ? names : [...nouns, ...names]);
  context.stderr(`ringwall: unknown command ${JSON.stringify(spoken)}`);
  if (guess !== undefined) context.stderr(`  Did you mean "ringwall ${guess}"?`);
  context.stderr(`  "ringwall ${isGroup ? `${noun} ` : ""}--help" lists the commands.`);
  return EXIT.usage;
}

function report(error: unknown, command: Command, context: Context): ExitCode {
  if (error instanceof UsageError) {
    context.stderr(`ringwall: ${error.message}`);
    context.stderr(`  usage: ${usageLine(command)}`);
    context.stderr(`  "ringwall ${command.name} --help" explains them.`);
    return EXIT.usage;
  }
  if (error instanceof CommandFailed) {
    context.stderr(`ringwall: ${error.message}`);
    if (error.wayOut !== "") context.stderr(`  ${error.wayOut}`);
    return error.exit;
  }
  if (error instanceof RingwallError) {
    // The operator's own terminal may see the details: they hold ids and codes, never a secret.
    const facts = Object.entries(error.detail).map(([name, value]) => `${name}=${String(value)}`);
    context.stderr(`ringwall: ${error.code}: ${error.message}${facts.length === 0 ? "" : ` (${facts.join(", ")})`}`);
    return EXIT.failed;
  }
  // Ours: nobody foresaw it, so the place it came from is what helps.
  context.stderr(`ringwall: unexpected failure in "${command.name}"`);
  context.stderr(error instanceof Error ? (error.stack ?? error.message) : String(error));
  return EXIT.failed;
}
