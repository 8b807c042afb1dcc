/**
 * Layer 1, perimeter: what a request meets before anyone is asked who they are.
 *
 * Guards against forged addresses, floods, oversized and ambiguous requests (two lengths, two hosts, smuggled bodies,
 * members named twice), foreign hosts and origins, requests that other sites make in a visitor's name, and secrets or
 * forged lines in the log. Gives every answer its security headers. It is framework-neutral: an adapter hands over the
 * raw request and writes what comes back.
 *
 * Does not know users, permissions or routes' schemas, and keeps working when those are broken; it does not look for
 * attack patterns inside bodies. Rates are counted per node with the memory store and across nodes with Redis.
 *
 * Limits are in `LIMITS`, rates and origins in `PerimeterConfig`. Fails closed: a request that cannot be read, counted
 * or placed is refused, with `counters.unavailable` (503) when the counter store cannot be asked.
 *
 * @module
 */
export { addressRule } from "./address.ts";
export { PerimeterConfig } from "./config.ts";
export { isJsonMediaType, parseJsonStrict } from "./json.ts";
export { LIMITS } from "./limits.ts";
export {
  createLogger,
  type LineJoining,
  type LogLevel,
  type RequestOutcome,
  type RequestRecord,
  redact,
  scrub,
} from "./log/index.ts";
export {
  type AnswerKind,
  createPerimeter,
  type Perimeter,
  type PerimeterRequest,
  type PerimeterStep,
  type PerimeterStepName,
  type Visit,
} from "./perimeter.ts";
