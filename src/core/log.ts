/** The part of pino that Ringwall uses. Records are redacted by the implementation, by key and by shape. */
export interface Logger {
  info(facts: object, message: string): void;
  warn(facts: object, message: string): void;
  error(facts: object, message: string): void;
}

/** A logger that drops everything, for composition where no log is wanted. */
export const silentLogger: Logger = { info() {}, warn() {}, error() {} };
