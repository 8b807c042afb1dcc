import { types } from "pg";
import { assert } from "../../core/index.ts";

/** Reads one value from the text PostgreSQL sends; `null` never gets here. */
export type Reader = (text: string) => unknown;

const asText: Reader = (text) => text;

/**
 * How types arrive, by their fixed object ids. int8 is a bigint and numeric a string, because a number would round
 * both; timestamptz is a Date (milliseconds); date stays text, since a day has no time zone; bytea is a Buffer.
 */
const READERS: ReadonlyMap<number, Reader> = new Map<number, Reader>([
  [16, (text) => text === "t"],
  [17, readBytea],
  [20, BigInt],
  [21, Number],
  [23, Number],
  [25, asText],
  [26, Number],
  [114, readJson],
  [700, Number],
  [701, Number],
  [1042, asText],
  [1043, asText],
  [1082, asText],
  [1184, readTimestamp],
  [1700, asText],
  [2950, asText],
  [3802, readJson],
]);

/** The reader of a column's type; types not listed above are read as `pg` reads them (arrays of text, for one). */
export function readerOf(type: number): Reader {
  return READERS.get(type) ?? fallbackReader(type);
}

function fallbackReader(type: number): Reader {
  // oxlint-disable-next-line typescript/no-unsafe-enum-assignment -- ids are numbers; the typings list only some of them
  return types.getTypeParser(type, "text");
}

function readBytea(text: string): Buffer {
  assert(text.startsWith("\\x"), "bytea arrives as hex");
  return Buffer.from(text.slice(2), "hex");
}

function readJson(text: string): unknown {
  return JSON.parse(text);
}

/** `2026-01-02 03:04:05.678901+00`: the session's time zone is UTC. Infinity is not a time we store. */
function readTimestamp(text: string): Date {
  const time = new Date(`${text.replace(" ", "T").replace(/\+00$/, "")}Z`);
  assert(!Number.isNaN(time.getTime()), "timestamptz arrives as ISO text in UTC");
  return time;
}

/** An array of texts as PostgreSQL reads it: every element quoted. */
export function encodeArray(items: readonly string[]): string {
  return `{${items.map((item) => `"${item.replace(/["\\]/g, "\\$&")}"`).join(",")}}`;
}
