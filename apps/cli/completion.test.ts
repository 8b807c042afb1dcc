import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { commands } from "./commands/index.ts";
import { recorded, temporaryFolder } from "./context.fixture.ts";
import { run } from "./run.ts";

// The scripts are sourced by a real shell and asked as it asks them, for every command and every option there is.

/** Words that were typed, the last one unfinished, and what has to be offered for it. */
interface Case {
  readonly typed: readonly string[];
  readonly offered: readonly string[];
}

const CASES: readonly Case[] = [
  ...commands.flatMap(({ name, options, positionals = [] }): Case[] => {
    const parts = name.split(" ");
    const flags = [...Object.keys(options ?? {}), "help"].map((option) => `--${option}`);
    return [
      ...parts.map((part, index) => ({ typed: [...parts.slice(0, index), part.slice(0, 2)], offered: [part] })),
      { typed: [...parts, "--"], offered: flags },
      { typed: [...parts, ...positionals.map(() => "x"), "--"], offered: flags },
    ];
  }),
  { typed: [""], offered: commands.map(({ name }) => name.split(" ")[0] ?? "") },
];

const ASK = `ask() {
  COMP_WORDS=(ringwall "$@"); COMP_CWORD=$(( \${#COMP_WORDS[@]} - 1 )); COMPREPLY=()
  _ringwall; echo "\${COMPREPLY[*]}"
}`;

async function script(shell: string): Promise<string> {
  const { context, out } = recorded();
  expect(await run(commands, ["completion", shell], context)).toBe(0);
  return out.join("\n");
}

/** Sources the script in the shell and asks for every case, each of which is answered by one line. */
async function answers(shell: string, before: string): Promise<readonly string[][]> {
  const file = join(temporaryFolder(), "completion");
  const asked = CASES.map(({ typed }) => `ask ${typed.map((word) => `'${word}'`).join(" ")}`);
  writeFileSync(file, [before, await script(shell), ASK, ...asked].join("\n"));
  const { status, stderr, stdout } = spawnSync(shell, [file], { encoding: "utf8" });
  expect([status, stderr]).toEqual([0, ""]);
  return stdout
    .trimEnd()
    .split("\n")
    .map((line) => line.split(" "));
}

const zshMissing = spawnSync("zsh", ["-c", "true"]).status === 0 ? undefined : "there is no zsh here";

describe("completion", () => {
  test("in bash offers every command and exactly the options of each", async () => {
    const lines = await answers("bash", "set -u");
    for (const [index, { offered, typed }] of CASES.entries()) {
      const [found, unfinished] = [new Set(lines[index]), typed.at(-1) ?? ""];
      expect(
        [...found].every((word) => word.startsWith(unfinished)),
        typed.join(" "),
      ).toBe(true);
      if (unfinished === "--" || unfinished === "") expect([typed, found]).toEqual([typed, new Set(offered)]);
      else expect([typed, [...found]]).toEqual([typed, expect.arrayContaining([...offered])]);
    }
  });

  // zsh itself leaves out what does not begin as typed, so the script may offer more there.
  test.skipIf(zshMissing !== undefined)(
    `in zsh, too${zshMissing === undefined ? "" : ` (skipped: ${zshMissing})`}`,
    async () => {
      const lines = await answers("zsh", "autoload -U compinit; compinit -u -D; setopt ksharrays shwordsplit");
      for (const [index, { offered, typed }] of CASES.entries()) {
        expect([typed, lines[index]]).toEqual([typed, expect.arrayContaining([...offered])]);
      }
    },
  );
});
