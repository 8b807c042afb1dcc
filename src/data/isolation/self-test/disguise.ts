import { scanSync } from "libpg-query";
import type { Draws } from "./random.ts";

/** What a disguise may need to know of the server. */
export interface Wardrobe {
  /** As `server_version_num`. */
  readonly version: number;
  /** A name that nothing has yet, for roles in between. */
  readonly unused: (purpose: string) => string;
}

const INHERIT_SINCE = 160_000;

/**
 * The same fault in other words: each statement means what it meant, and few of its characters stand where they stood.
 * Conditions are turned (double negation, De Morgan, neutral terms, CASE, COALESCE, casts, swapped sides), functions
 * change their language, grants go through a role in between, and words change their case, quotes and comments.
 *
 * @returns The statements in their order; some have become several.
 */
export function disguised(statements: readonly string[], random: Draws, wardrobe: Wardrobe): string[] {
  return statements.flatMap((statement) => {
    const turned = inOtherLanguage(turnedConditions(sameContext(statement, random), random), random);
    return throughRole(turned, random, wardrobe).map((one) => respelled(one, random));
  });
}

const SETTING_READ = /\bnullif\(current_setting\(('[\w.]+'), true\), ''\)/g;

/** The reading of the context, written differently. */
function sameContext(statement: string, random: Draws): string {
  return statement.replaceAll(SETTING_READ, (whole, setting: string) =>
    random.one([
      whole,
      `nullif(current_setting(${setting}, not false), '')`,
      `(case when current_setting(${setting}, true) = '' then null else current_setting(${setting}, true) end)`,
      `nullif(nullif(current_setting(${setting}, true), ''), '')`,
    ]),
  );
}

type Turn = (condition: string) => string;

/** None changes for which rows the condition is true; what was NULL may become false, which lets as little through. */
const TURNS: readonly [Turn, ...Turn[]] = [
  (condition) => `((${condition}))`,
  (condition) => `not (not (${condition}))`,
  (condition) => `(${condition}) and true`,
  (condition) => `false or (${condition})`,
  (condition) => `(${condition}) and (1 = 1 or 2 > 3)`,
  (condition) => `(${condition}) or (1 <> 1)`,
  (condition) => `case when (${condition}) then true else false end`,
  (condition) => `coalesce((${condition}), false)`,
  (condition) => `cast((${condition}) as boolean)`,
  (condition) => `(${condition})::pg_catalog.bool`,
  (condition) => `(${condition}) is true`,
  swappedSides,
  deMorgan,
];

/** Splits where the words stand outside of every parenthesis and quote. */
function splitAt(condition: string, separator: RegExp): string[] {
  let depth = 0;
  let quoted = false;
  let from = 0;
  const parts: string[] = [];
  for (let at = 0; at < condition.length; at++) {
    const character = condition[at];
    if (character === "'") quoted = !quoted;
    if (quoted) continue;
    if (character === "(") depth++;
    if (character === ")") depth--;
    const match = depth === 0 ? separator.exec(condition.slice(at)) : null;
    if (match === null) continue;
    parts.push(condition.slice(from, at));
    at += match[0].length - 1;
    from = at + 1;
  }
  return [...parts, condition.slice(from)];
}

const CONNECTIVE = /^\s(?:and|or|not|is|in|like|between)\s/i;

function swappedSides(condition: string): string {
  if (splitAt(condition, CONNECTIVE).length > 1) return `(${condition})`;
  const sides = splitAt(condition, /^ = /);
  return sides.length === 2 ? `${sides[1] ?? ""} = ${sides[0] ?? ""}` : `(${condition})`;
}

function deMorgan(condition: string): string {
  const either = splitAt(condition, /^\sor\s/i);
  if (either.length > 1) return `not (${either.map((part) => `not (${part})`).join(" and ")})`;
  const both = splitAt(condition, /^\sand\s/i);
  const simple = splitAt(condition, /^\sbetween\s/i).length === 1;
  return both.length > 1 && simple ? `not (${both.map((part) => `not (${part})`).join(" or ")})` : `(${condition})`;
}

/** Where the parenthesis that opens at `open` closes; -1 when it does not. */
function closing(text: string, open: number): number {
  let depth = 0;
  let quoted = false;
  for (let at = open; at < text.length; at++) {
    if (text[at] === "'") quoted = !quoted;
    if (quoted) continue;
    if (text[at] === "(") depth++;
    if (text[at] === ")" && --depth === 0) return at;
  }
  return -1;
}

/** Every USING and WITH CHECK of a policy, turned a few times. */
function turnedConditions(statement: string, random: Draws): string {
  if (!/^\s*(create|alter)\s+policy\b/i.test(statement)) return statement;
  let text = statement;
  for (const clause of [/\busing\s*\(/i, /\bwith\s+check\s*\(/i]) {
    const found = clause.exec(text);
    if (found === null) continue;
    const open = found.index + found[0].length - 1;
    const close = closing(text, open);
    if (close < 0) continue;
    let condition = text.slice(open + 1, close).trim();
    const times = 1 + random.below(3);
    for (let turn = 0; turn < times; turn++) condition = random.one(TURNS)(condition);
    text = `${text.slice(0, open)}(${condition})${text.slice(close + 1)}`;
  }
  return text;
}

const SCALAR_FUNCTION =
  /^(\s*create function [^$]*?\breturns (?:text|boolean|uuid|bigint)\b[^$]*?)\blanguage sql\b([^$]*)\$body\$\s*(select[\s\S]*?);?\s*\$body\$/i;

/** A function of one value in SQL says the same in PL/pgSQL. */
function inOtherLanguage(statement: string, random: Draws): string {
  if (!random.chance(50)) return statement;
  return statement.replace(
    SCALAR_FUNCTION,
    (_all, head: string, options: string, body: string) =>
      `${head}language plpgsql${options}$body$ begin return (${body.trim()}); end $body$`,
  );
}

const GRANT = /^\s*grant ([\s\S]+) on ([\s\S]+) to (\w+)\s*$/i;

/** A right that is given to a role in between, of which the other is a member and has its rights. */
function throughRole(statement: string, random: Draws, { unused, version }: Wardrobe): string[] {
  const grant = GRANT.exec(statement);
  if (grant === null || version < INHERIT_SINCE || !random.chance(60)) return [statement];
  const [, rights = "", object = "", role = ""] = grant;
  if (role === "public" || /\bwith grant option\b/i.test(statement)) return [statement];
  const between = unused("between");
  return [
    `create role ${between} nologin`,
    `grant ${rights} on ${object} to ${between}`,
    `grant ${between} to ${role} with inherit true`,
  ];
}

const COMMENTS = ["/* wall */", "/* a /* nested */ one */", "-- using (true)\n", "\n\t", "  "] as const;
const NO_KEYWORD = "NO_KEYWORD";

/** Case of words, quotes around names, comments and white space between tokens. */
function respelled(statement: string, random: Draws): string {
  const bytes = Buffer.from(statement, "utf8");
  let said = "";
  let from = 0;
  let before = "";
  for (const token of scanSync(statement).tokens) {
    const text = bytes.subarray(token.start, token.end).toString("utf8");
    const gap = bytes.subarray(from, token.start).toString("utf8");
    from = token.end;
    said += gap === "" ? "" : gap + (random.chance(15) ? random.one(COMMENTS) : "");
    said += isPlainWord(text) && before !== ":" ? word(text, token.keywordName, random) : text;
    before = text;
  }
  return said + bytes.subarray(from).toString("utf8");
}

const isPlainWord = (text: string): boolean => /^[a-z_][a-z0-9_]*$/.test(text);

function word(text: string, keyword: string, random: Draws): string {
  if (keyword === NO_KEYWORD && random.chance(25)) return `"${text}"`;
  if (!random.chance(40)) return text;
  return random.chance(50)
    ? text.toUpperCase()
    : text.replaceAll(/(.)(.?)/g, (_all, one: string, next: string) => one.toUpperCase() + next);
}
