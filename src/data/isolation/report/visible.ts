/** Controls, marks of direction, and other characters that do not show: a name or a value could rewrite a terminal with them. */
const HIDDEN = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Co}\p{Cs}]/gu;

/** One line that shows what is in `text`: hidden characters are written out, and a cut says that it is one. */
export function visible(text: string, charactersMax = 2_000): string {
  const cut = text.length > charactersMax ? `${text.slice(0, charactersMax)}… (${text.length} characters)` : text;
  return cut.replaceAll(HIDDEN, (hidden) => {
    if (hidden === "\n") return "\\n";
    if (hidden === "\t") return "\\t";
    return `\\u{${(hidden.codePointAt(0) ?? 0).toString(16)}}`;
  });
}

/** Several lines, each as `visible` shows it. */
export function visibleLines(text: string): string[] {
  return text.split("\n").map((line) => visible(line.trimEnd()));
}
