import { randomBytes } from "../../../../core/index.ts";
import type { Column, Relation } from "./schema.ts";

/** One of those that exist only inside the probes' transaction. */
export interface Tenant {
  /** What the tenant columns hold and the context says. */
  readonly id: string;
  /** Stands in every text of its rows, so that one of them is known wherever it turns up. */
  readonly marker: string;
}

/** Literals longer than this are no values of a row. */
const HINT_CHARS_MAX = 200;
const HINTS_MAX = 40;
const HEX_BYTES = 16;

const hex = (bytes: number): string => randomBytes(bytes).toString("hex");

/** A number that no sequence has reached, below the limit of its type. */
function highNumber(limit: number): string {
  const spread = Math.floor(limit / 4);
  return String(limit - 1 - (randomBytes(4).readUInt32BE() % spread));
}

export function uuid(): string {
  const bytes = randomBytes(HEX_BYTES);
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x40;
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
  return bytes.toString("hex").replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}

const TEXTS = new Set(["text", "varchar", "bpchar", "citext", "name", "char"]);
const NUMBERS: Readonly<Record<string, number>> = { int2: 32_767, int4: 2_147_483_647, int8: 9_007_199_254_740_991 };
const DECIMALS = new Set(["numeric", "float4", "float8", "money"]);

/** Values of the types whose text does not depend on the row. Several, because a CHECK may want one of them. */
const FIXED: Readonly<Record<string, readonly string[]>> = {
  timestamptz: ["now", "2026-01-15T12:00:00Z", "2999-01-01T00:00:00Z", "2020-01-01T00:00:00Z"],
  timestamp: ["now", "2026-01-15T12:00:00", "2999-01-01T00:00:00", "2020-01-01T00:00:00"],
  date: ["today", "2026-01-15", "2999-01-01", "2020-01-01"],
  time: ["12:00:00"],
  timetz: ["12:00:00Z"],
  interval: ["1 hour", "1 day", "0"],
  xml: ["<probe/>"],
  inet: ["192.0.2.1", "2001:db8::1"],
  cidr: ["192.0.2.0/24"],
  macaddr: ["02:00:00:00:00:01"],
  macaddr8: ["02:00:00:00:00:00:00:01"],
  point: ["(1,2)"],
  line: ["{1,2,3}"],
  lseg: ["[(0,0),(1,1)]"],
  box: ["(1,1),(0,0)"],
  path: ["[(0,0),(1,1)]"],
  polygon: ["((0,0),(1,1),(1,0))"],
  circle: ["<(0,0),1>"],
  tsvector: ["probe"],
  tsquery: ["probe"],
  pg_lsn: ["0/1"],
  hstore: ['"probe"=>"1"'],
  ltree: ["probe.a"],
  oid: ["1"],
  xid: ["1"],
  xid8: ["1"],
  cid: ["1"],
  tid: ["(0,1)"],
  jsonpath: ["$"],
  regclass: ["pg_class"],
  regtype: ["text"],
  regrole: ["pg_monitor"],
  pg_snapshot: ["1:1:"],
  int4range: ["[1,2)", "empty"],
  int8range: ["[1,2)", "empty"],
  numrange: ["[1,2)", "empty"],
  daterange: ["[2026-01-01,2026-02-01)", "empty"],
  tsrange: ["[2026-01-01,2026-02-01)", "empty"],
  tstzrange: ["[2026-01-01,2026-02-01)", "empty"],
};

/** What text columns are commonly held to: a slug, an address, a code, a digest, a version, a time zone, digits. */
function texts(marker: string): string[] {
  return [
    `${marker}-${hex(3)}`,
    `${marker}${hex(3)}`.replaceAll(/[^a-z0-9]/g, ""),
    `${marker}${hex(3)}@example.test`,
    `https://example.test/${marker}${hex(3)}`,
    "EUR",
    "de",
    "DE",
    "a",
    "A",
    "1",
    hex(32),
    hex(16),
    hex(20),
    uuid(),
    `+4930${highNumber(10_000_000)}`,
    "1.0.0",
    "UTC",
    "/a",
    "#aabbcc",
    `sha256:${hex(32)}`,
    "{}",
    "192.0.2.1",
    "2026-01-15",
    "a".repeat(64),
    "",
  ];
}

/** The literals of the expressions that speak of the column, or of the table's partitions and policies. */
function hintsFor(column: Column, relation: Relation): string[] {
  const own = relation.checks
    .filter(({ columns }) => columns.includes(column.name))
    .map(({ definition }) => definition);
  const found: string[] = [];
  for (const text of [...own, ...relation.hints]) {
    for (const [, quoted, number] of text.matchAll(/'((?:[^']|''){0,200})'|\b(\d{1,15}(?:\.\d{1,6})?)\b/g)) {
      if (quoted !== undefined) found.push(quoted.replaceAll("''", "'"));
      else if (number !== undefined) found.push(number, String(Number(number) + 1), String(Number(number) - 1));
    }
  }
  return [...new Set(found)].filter((hint) => hint.length <= HINT_CHARS_MAX).slice(0, HINTS_MAX);
}

function arrays(column: Column): string[] {
  return column.notNull ? ["{}", "{1}", "{a}", `{${uuid()}}`] : ["{}"];
}

/**
 * What may stand in a column, the likeliest first; each is tried until PostgreSQL takes the row. The first text and
 * number are the row's own, so that keys do not collide.
 */
export function candidates(column: Column, relation: Relation, tenant: Tenant): readonly (string | null)[] {
  const { base, charsMax, kind } = column;
  if (kind === "enum") return column.enumLabels;
  if (kind === "array") return arrays(column);
  if (kind === "composite") return Array.from({ length: 8 }, (_, commas) => `(${",".repeat(commas)})`);
  const hints = hintsFor(column, relation);
  if (TEXTS.has(base)) {
    const fitting = texts(tenant.marker).map((text) => (charsMax === null ? text : text.slice(-charsMax)));
    return [...fitting.slice(0, 1), ...hints, ...fitting.slice(1)].filter(
      (text) => charsMax === null || text.length <= charsMax,
    );
  }
  const limit = NUMBERS[base];
  if (limit !== undefined)
    return [highNumber(limit), "1", ...hints.filter((hint) => /^-?\d+$/.test(hint)), "0", "10", "100", "-1"];
  if (DECIMALS.has(base))
    return ["1", ...hints.filter((hint) => /^-?\d+(\.\d+)?$/.test(hint)), "0", "0.5", "100", "-1"];
  if (base === "bool") return ["true", "false"];
  if (base === "uuid") return [uuid()];
  if (base === "bytea") return [32, 64, 16, 12, 24, 28, 48, 8, 1, 0].map((bytes) => `\\x${hex(bytes)}`);
  if (base === "json" || base === "jsonb")
    return [JSON.stringify({ probe: tenant.marker }), "{}", "[]", "null", '"a"', "1"];
  if (base === "bit" || base === "varbit") return ["1".repeat(Number(/\((\d{1,4})\)/.exec(column.type)?.[1] ?? "1"))];
  const fixed = FIXED[base];
  if (fixed !== undefined) {
    // A bound of a partition says which days exist; anything else is a guess at them.
    const dates = /^(timestamp|date)/.test(base) ? hints.filter((hint) => /^\d{4}-\d\d-\d\d/.test(hint)) : [];
    return [...fixed.slice(0, 1), ...dates, ...fixed.slice(1)];
  }
  return ["a", "1", "{}", "(0,0)", "[0]", ""];
}
