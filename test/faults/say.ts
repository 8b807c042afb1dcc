/** One line of progress, for whoever watches a long test. */
export function say(line: string): void {
  process.stdout.write(`${line}\n`);
}
