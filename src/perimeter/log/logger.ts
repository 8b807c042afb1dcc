import { pino } from "pino";
import { type Clock, isoTime, type Logger } from "../../core/index.ts";
import { redact } from "./redact.ts";
import { RequestRecord } from "./request-record.ts";

/** How much is written. */
export type LogLevel = "info" | "warn" | "error" | "silent";

/**
 * The only logger of the product: JSON lines by pino, each value redacted by key and by shape before it is serialised,
 * messages and errors included. There is no child logger, because its bindings would go around the redaction.
 *
 * @param options.write - Takes one line with its newline; for example `(line) => process.stdout.write(line)`.
 * @example createLogger({ write, level: "info", clock: systemClock }).warn({ requestId }, "counters are slow");
 */
export function createLogger(options: { write: (line: string) => void; level: LogLevel; clock: Clock }): Logger {
  const { clock, write } = options;
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
    { write },
  );
  const clean = (facts: object): object => {
    if (facts instanceof RequestRecord) return facts;
    const shown = redact(facts);
    return typeof shown === "object" && shown !== null && !(facts instanceof Error) ? shown : { err: shown };
  };
  const text = (message: string): string => String(redact(message));
  return {
    info: (facts, message) => log.isLevelEnabled("info") && log.info(clean(facts), text(message)),
    warn: (facts, message) => log.isLevelEnabled("warn") && log.warn(clean(facts), text(message)),
    error: (facts, message) => log.isLevelEnabled("error") && log.error(clean(facts), text(message)),
  };
}
