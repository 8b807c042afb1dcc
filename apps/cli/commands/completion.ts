import type { Command } from "../command.ts";
import { EXIT, UsageError } from "../command.ts";

/** Makes `completion` over the other commands; the scripts hold the whole tree, so completing starts no process. */
export function completion(commands: () => readonly Command[]): Command {
  return {
    name: "completion",
    summary: "Print a script that completes commands and options in your shell",
    positionals: [{ name: "SHELL", summary: "bash or zsh" }],
    examples: [
      ["ringwall completion bash >> ~/.bashrc", "bash, from the next shell on"],
      ["ringwall completion zsh >> ~/.zshrc", "zsh, from the next shell on"],
    ],
    async run(input, { stdout }) {
      const [shell] = input.positionals;
      if (shell !== "bash" && shell !== "zsh") throw new UsageError("SHELL must be bash or zsh");
      stdout(shell === "bash" ? bashScript(commands()) : zshScript(commands()));
      return await Promise.resolve(EXIT.ok);
    },
  };
}

/** For every place in the tree, the words that may come next. "" is the root. */
export function nextWords(commands: readonly Command[]): ReadonlyMap<string, readonly string[]> {
  const next = new Map<string, Set<string>>();
  const add = (place: string, word: string): void => {
    next.set(place, (next.get(place) ?? new Set()).add(word));
  };
  for (const command of commands) {
    const parts = command.name.split(" ");
    for (const [index, part] of parts.entries()) add(parts.slice(0, index).join(" "), part);
    for (const option of [...Object.keys(command.options ?? {}), "help"]) add(command.name, `--${option}`);
  }
  return new Map([...next].map(([place, words]) => [place, [...words].sort()]));
}

function cases(commands: readonly Command[]): string {
  return [...nextWords(commands)].map(([place, words]) => `    "${place}") words="${words.join(" ")}" ;;`).join("\n");
}

// At most two words name a command; the longest name among the typed words decides.
function bashScript(commands: readonly Command[]): string {
  return `_ringwall() {
  local words="" one="\${COMP_WORDS[1]:-}" two="\${COMP_WORDS[1]:-} \${COMP_WORDS[2]:-}" place=""
  [ "$COMP_CWORD" -ge 2 ] && place="$one"
  if [ "$COMP_CWORD" -ge 3 ]; then case "$two" in *" -"*) ;; *) place="$two" ;; esac; fi
  case "$place" in
${cases(commands)}
    *) place="$one" ;;
  esac
  if [ -z "$words" ]; then case "$place" in
${cases(commands)}
  esac; fi
  COMPREPLY=($(compgen -W "$words" -- "\${COMP_WORDS[COMP_CWORD]}"))
}
complete -o default -F _ringwall ringwall`;
}

function zshScript(commands: readonly Command[]): string {
  return `autoload -U +X bashcompinit && bashcompinit
${bashScript(commands)}`;
}
