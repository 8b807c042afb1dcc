import type { Key } from "../api/types.ts";
import { PLATFORM } from "../shell/navigation.ts";

interface Purpose {
  readonly meaning: string;
  /** What the next version does to people, where the server does not make it by itself. */
  readonly price?: string;
}

/** Every purpose that a key can have, as the server names them. */
const PURPOSES: Readonly<Record<string, Purpose>> = {
  "data": { meaning: "wraps one key for each row of sealed fields" },
  "index": {
    meaning: "finds sealed values without opening them",
    price: "Searches ask for old and new tags until ringwall fields retag has made the tags of each table anew.",
  },
  "vault": { meaning: "tokens that stand for values" },
  "secrets": { meaning: "seals secrets" },
  "objects": { meaning: "seals files and backups" },
  "audit": { meaning: "seals personal values of audit records" },
  "identity": { meaning: "seals second factors" },
  "anchor": { meaning: "ties this database to its master key; wrapped anew with it" },
  "session-pepper": {
    meaning: "keys the hashes of sessions",
    price: "Every session and unfinished sign-in of every tenant ends, this one too.",
  },
  "link-pepper": {
    meaning: "keys the hashes of links",
    price: "Every invitation and recovery link that was not used yet becomes worth nothing.",
  },
  "attempt-pepper": {
    meaning: "keys the names of sign-in attempts",
    price: "Attempts counted until now are forgotten, and every lock with them.",
  },
  "audit-commitment": {
    meaning: "keys commitments",
    price: "Commitments made until now are no longer comparable with new ones.",
  },
};

export function meaningOf(purpose: string): string {
  return PURPOSES[purpose]?.meaning ?? "";
}

/** What replacing the key costs people; undefined when nobody notices. */
export function priceOf(purpose: string): string | undefined {
  return PURPOSES[purpose]?.price;
}

/** Whether a key can be given a next version by itself: not the anchor, and nothing that was erased. */
export function isRotatable({ class: keyClass, min_version: oldest, purpose, tenant }: Key): boolean {
  return oldest !== null && purpose !== "anchor" && (keyClass === "tenant" || tenant === PLATFORM);
}

/** A period in days, as people agree on it. */
export function daysOf(seconds: number): string {
  const days = Math.round(seconds / 86_400);
  return days === 1 ? "1 day" : `${days} days`;
}
