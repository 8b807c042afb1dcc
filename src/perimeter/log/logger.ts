import { pino } from "pino";
import { type Clock, isoTime, type Logger } from "../../core/index.ts";
import { redact } from "./redact.ts";
import { RequestRecord } from "./request-record.ts";

/** How much is written. */
export type LogLevel = "info" | "warn" | "error" | "silent";

/** How lines are put together before they are written. */
export interface LineJoining {
  /** Calls `flush` when this turn of the event loop is over. */
  readonly later: (flush: () => void) => void;
  /** Calls `flush` before the process ends, whatever ends it short of a signal that nobody can catch. */
  readonly atExit: (flush: () => void) => void;
}

/**
 * The only logger of the product: JSON lines by pino, each value redacted by key and by shape before it is serialised,
 * messages and errors included. There is no child logger, because its bindings would go around the redaction.
 *
 * @param options.write - Takes one line with its newline; for example `(line) => process.stdout.write(line)`.
 * @param options.join - Writes the lines of one turn together, which saves a system call for each request. Warnings and
 * errors are written at once, with what came before them. Left out, every line is written by itself.
 * @example createLogger({ write, level: "info", clock: systemClock }).warn({ requestId }, "counters are slow");
 */
export function createLogger(options: {
  write: (line: string) => void;
  level: LogLevel;
  clock: Clock;
  join?: LineJoining;
}): Logger {
  const { clock } = options;
  const lines = options.join === undefined ? undefined : new JoinedLines(options.write, options.join);
  // Thousands of lines share a millisecond's text with the one before.
  let stampMs = Number.NaN;
  let stamp = "";
  const timestamp = (): string => {
    const nowMs = clock();
    if (nowMs !== stampMs) {
      stampMs = nowMs;
      stamp = `,"time":"${isoTime(nowMs)}"`;
    }
    return stamp;
  };
  const log = pino(
    {
      level: options.level,
      base: null,
      timestamp,
      formatters: { level: (label) => ({ level: label }) },
      // Redaction happened before; pino's own serialisers would read the fields of errors again.
      serializers: { err: (shown: unknown) => shown },
    },
    lines ?? { write: options.write },
  );
  const clean = (facts: object): object => {
    if (facts instanceof RequestRecord) return facts;
    const shown = redact(facts);
    return typeof shown === "object" && shown !== null && !(facts instanceof Error) ? shown : { err: shown };
  };
  const text = (message: string): string => messages.get(message) ?? cleanMessage(message);
  return {
    info: (facts, message) => log.isLevelEnabled("info") && log.info(clean(facts), text(message)),
    warn(facts, message) {
      if (log.isLevelEnabled("warn")) log.warn(clean(facts), text(message));
      lines?.flush();
    },
    error(facts, message) {
      if (log.isLevelEnabled("error")) log.error(clean(facts), text(message));
      lines?.flush();
    },
  };
}

// Messages are constants of the product, so few; the memory is emptied when somebody logs made-up ones.
const MESSAGES_REMEMBERED_MAX = 256;
const MESSAGE_CHARS_REMEMBERED_MAX = 100;
const messages = new Map<string, string>();

function cleanMessage(message: string): string {
  const shown = String(redact(message));
  if (message.length > MESSAGE_CHARS_REMEMBERED_MAX) return shown;
  if (messages.size >= MESSAGES_REMEMBERED_MAX) messages.clear();
  messages.set(message, shown);
  return shown;
}

/** A turn's lines may be as many as a burst of requests; what is more is written before the turn ends. */
const JOINED_CHARS_MAX = 65_536;

class JoinedLines {
  readonly #write: (lines: string) => void;
  readonly #later: LineJoining["later"];
  #text = "";

  constructor(write: (lines: string) => void, { atExit, later }: LineJoining) {
    this.#write = write;
    this.#later = later;
    atExit(() => this.flush());
  }

  write(line: string): void {
    if (this.#text === "") this.#later(() => this.flush());
    this.#text += line;
    if (this.#text.length > JOINED_CHARS_MAX) this.flush();
  }

  flush(): void {
    if (this.#text === "") return;
    const text = this.#text;
    this.#text = "";
    this.#write(text);
  }
}
