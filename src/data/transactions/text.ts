/** Longer texts are refused; PostgreSQL takes 65,535 parameters, whose numbers stay well below it. */
export const TEXT_LENGTH_MAX = 4_194_304;

/**
 * What ends with its transaction, by the first word. A list of what may be, so that what it does not know is refused: `SET`,
 * `PREPARE`, `LISTEN`, `DECLARE`, `DISCARD`, `DO`, `COPY`, a comment in front.
 */
const ALLOWED =
  /^[\s(]*(?:select|with|insert|update|delete|merge|values|table|savepoint|release|lock|rollback\s+to|rollback\s+work\s+to|set\s+constraints)\b/i;

/**
 * What a statement can call that stays after its transaction: settings of the session, its advisory locks, SQL that is put
 * together while it runs. An identifier in escapes may be any of them.
 */
const CALLS_WHAT_STAYS =
  /set_config|advisory_(?:un)?lock|_to_xml|ts_stat|ts_rewrite|dblink|u&"|\binto\s+(?:temp|temporary|unlogged)\b/i;

const BEGIN = /^\s*(?:begin|start\s+transaction)(?:\s+(?:work|transaction))?\s*;?\s*$/i;
const COMMIT = /^\s*(?:commit|end)(?:\s+(?:work|transaction))?\s*;?\s*$/i;
const ROLLBACK = /^\s*(?:rollback|abort)(?:\s+(?:work|transaction))?\s*;?\s*$/i;

/** Ends or begins a transaction. With options, as an isolation level, it is none of them, and refused. */
export type Boundary = "begin" | "commit" | "rollback";

/** Longer than any of them; the patterns go back over blanks, so nothing long is held against them. */
const BOUNDARY_CHARS_MAX = 64;

/** What a query builder sends around its transactions. */
export function boundary(text: string): Boundary | undefined {
  if (text.length > BOUNDARY_CHARS_MAX) return undefined;
  if (BEGIN.test(text)) return "begin";
  if (COMMIT.test(text)) return "commit";
  return ROLLBACK.test(text) ? "rollback" : undefined;
}

/**
 * Whether a statement calls something whose effect is still there after its transaction, where the next tenant's runs. By
 * the text alone: says yes in doubt, and does not see what a function of the schema does inside.
 */
export function callsWhatStays(text: string): boolean {
  return CALLS_WHAT_STAYS.test(text);
}

/** Why a text is not sent; undefined when it is. Linear. A convenience that catches mistakes early: the wall is the database's. */
export function refusal(text: string): string | undefined {
  if (text.length > TEXT_LENGTH_MAX) return `a statement has at most ${TEXT_LENGTH_MAX} characters`;
  if (!ALLOWED.test(text)) {
    return "only statements that end with their transaction run here (select, with, insert, update, delete, merge, values, savepoint); transactions begin and end with run(), a comment goes behind, and what belongs to a session goes to a pool of its own";
  }
  if (/ringwall\.context/i.test(text)) return "the tenant context is set by run() alone";
  if (callsWhatStays(text)) {
    return "this calls something that stays after the transaction (a setting, an advisory lock of the session, SQL put together as it runs)";
  }
  return undefined;
}
