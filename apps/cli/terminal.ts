import { createInterface } from "node:readline";
import { Writable } from "node:stream";
import { CommandFailed } from "./exit.ts";

// More than any answer is long; what comes without a line break is no answer to a question.
const LINE_BYTES_MAX = 16_384;
const LINE_FEED = 0x0a;

/** Where answers come from, and where questions are shown. */
export interface Dialogue {
  readonly input: NodeJS.ReadableStream & AsyncIterable<unknown>;
  /** True when a person types. Otherwise each answer is one line, and nothing is shown. */
  readonly isTerminal: boolean;
  /** The terminal's other end; not stdout, which may go into a file. */
  readonly output: NodeJS.WritableStream;
  readonly signal: AbortSignal;
}

/** Asks for one line. `hidden`: what is typed is not shown. */
export type Ask = (question: string, hidden?: "hidden") => Promise<string>;

/**
 * Asks a person at the terminal, or takes the next line of what was piped in.
 * @throws CommandFailed when the input ends, is interrupted, or is no line.
 */
export function makeAsk(dialogue: Dialogue): Ask {
  if (dialogue.isTerminal)
    return async (question, hidden) => await askTerminal(dialogue, question, hidden !== undefined);
  const lines = readLines(dialogue.input);
  return async (question) => {
    const { done, value } = await lines.next();
    // A question names what it wants; the answer is never repeated.
    if (done === true) throw new CommandFailed(`the input ended where an answer was due: ${question.trim()}`);
    return value;
  };
}

async function askTerminal({ input, output, signal }: Dialogue, question: string, hidden: boolean): Promise<string> {
  output.write(question);
  // With a terminal, readline shows what is typed by writing it to its output; a hidden answer goes nowhere.
  const shown = hidden ? new Writable({ write: (_chunk, _encoding, done) => done() }) : output;
  const reader = createInterface({ input, output: shown, terminal: true, historySize: 0 });
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const stop = (): void => reject(new CommandFailed("interrupted"));
  signal.addEventListener("abort", stop, { once: true });
  reader.once("SIGINT", stop);
  reader.once("line", resolve);
  reader.once("close", () => reject(new CommandFailed("the input ended")));
  try {
    return await promise;
  } finally {
    signal.removeEventListener("abort", stop);
    reader.close();
    if (hidden) output.write("\n");
  }
}

async function* readLines(input: AsyncIterable<unknown>): AsyncGenerator<string, void, undefined> {
  let waiting = Buffer.alloc(0);
  for await (const chunk of input) {
    waiting = Buffer.concat([waiting, Buffer.isBuffer(chunk) ? chunk : Buffer.from(String(chunk))]);
    for (let end = waiting.indexOf(LINE_FEED); end !== -1; end = waiting.indexOf(LINE_FEED)) {
      yield waiting.toString("utf8", 0, end).replace(/\r$/, "");
      waiting = waiting.subarray(end + 1);
    }
    if (waiting.length > LINE_BYTES_MAX) throw new CommandFailed(`a line is longer than ${LINE_BYTES_MAX} bytes`);
  }
  if (waiting.length > 0) yield waiting.toString("utf8");
}
