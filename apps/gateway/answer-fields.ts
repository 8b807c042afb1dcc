import type { IncomingHttpHeaders } from "node:http";
import { isDroppedFromAnswer, isForCaches, namedIn, privately } from "./fields.ts";

/** Names told apart once each; upstreams use few, and one that invents them fills this and no more. */
const NAMES_MAX = 1_000;
const kinds = new Map<string, Kind>();
type Kind = "pass" | "drop" | "caches";

/** The names of the perimeter's fields, of which there are about twenty, in lower case. */
const lowerNames = new Map<string, string>();

/**
 * An answer's fields for the visitor, flat, without its cookies: the upstream's own, then the perimeter's for what the
 * upstream said nothing of, or has no say in.
 * @param own - The perimeter's, names and values in turn.
 * @param isSomebodys - Whether the answer is for somebody who is signed in.
 */
export function answerFields(headers: IncomingHttpHeaders, own: readonly string[], isSomebodys: boolean): string[] {
  const out: string[] = [];
  const { connection } = headers;
  const named = connection === undefined ? undefined : namedIn([connection].flat().join());
  for (const name in headers) {
    const value = headers[name];
    const kind = kindOf(name);
    if (value === undefined || kind === "drop" || named?.has(name) === true) continue;
    if (kind === "caches" && isSomebodys) {
      if (name === "cache-control") out.push(name, privately([value].flat().join()));
    } else if (typeof value === "string") out.push(name, value);
    else for (const one of value) out.push(name, one);
  }
  for (let index = 0; index + 1 < own.length; index += 2) {
    const name = lowerCase(own[index] ?? "");
    if (headers[name] !== undefined && kindOf(name) !== "drop" && named?.has(name) !== true) continue;
    // What a page may load is its application's to say; what is nobody's in particular may be kept by anybody.
    if (name === "content-security-policy") continue;
    if (name === "cache-control" && !isSomebodys) continue;
    out.push(name, own[index + 1] ?? "");
  }
  return out;
}

function kindOf(name: string): Kind {
  const known = kinds.get(name);
  if (known !== undefined) return known;
  // Cookies are read one by one, elsewhere.
  const isDropped = name === "set-cookie" || isDroppedFromAnswer(name);
  const kind = isDropped ? "drop" : isForCaches(name) ? "caches" : "pass";
  if (kinds.size < NAMES_MAX) kinds.set(name, kind);
  return kind;
}

function lowerCase(name: string): string {
  let lower = lowerNames.get(name);
  if (lower === undefined) {
    lower = name.toLowerCase();
    lowerNames.set(name, lower);
  }
  return lower;
}
