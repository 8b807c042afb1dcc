/** Milliseconds since the Unix epoch. Passed in everywhere, so that tests can move it. */
export type Clock = () => number;

/** The machine's clock; the only place that reads it. */
export const systemClock: Clock = () => Date.now();

/** RFC 3339 in UTC with milliseconds, the one text form of time in records and answers. */
export function isoTime(ms: number): string {
  return new Date(ms).toISOString();
}
