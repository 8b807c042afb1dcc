/**
 * Everything that is logged goes through here: JSON lines with secrets masked by the name they stand under and by the
 * shape they have, in messages and errors too.
 *
 * Does not recognise a secret that has neither a telling name nor a known shape, such as a password in the middle of
 * a sentence; what must never be logged is a `PlainSecret`. Never throws and takes linear time; long values are cut.
 *
 * @module
 */
export { createLogger, type LineJoining, type LogLevel } from "./logger.ts";
export { redact } from "./redact.ts";
export { type RequestFacts, type RequestOutcome, RequestRecord } from "./request-record.ts";
export { scrub } from "./shapes.ts";
