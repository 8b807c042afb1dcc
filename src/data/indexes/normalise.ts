import { domainToASCII } from "node:url";
import { assert } from "../../core/index.ts";

/**
 * What two spellings have in common when they mean the same. A normaliser never changes what it does once it is
 * released, because tags are made of its output: a better one gets the next version and the columns are tagged anew.
 */
export type NormaliserName = "exact" | "text" | "id" | "digits" | "last4" | "domain";

interface Normaliser {
  /** Goes into the index key: tags of two versions never meet. */
  readonly id: string;
  /** Undefined when nothing is left to look for; such a value has no tag and is found by no search. */
  readonly apply: (value: string) => string | undefined;
}

const filled = (text: string): string | undefined => (text === "" ? undefined : text);

/** NFKC twice, since lower case may take a text out of it. Both forms of the Greek sigma are one letter. */
function folded(value: string): string {
  return value.normalize("NFKC").toLowerCase().replaceAll("ς", "σ").normalize("NFKC");
}

function digitsOf(value: string): string {
  return value.normalize("NFKC").replaceAll(/[^0-9]/g, "");
}

/**
 * Twice, since the first may uncover what the second then reads: a dot that was written in percents, or an address behind
 * dots. What it gives has neither any more.
 */
function domainOf(value: string): string | undefined {
  const text = folded(value).trim();
  return filled(hostOf(hostOf(text.slice(text.lastIndexOf("@") + 1))));
}

function hostOf(text: string): string {
  return withoutLastDots(domainToASCII(withoutLastDots(text)));
}

/** Without the dots at the end, in any of the forms that mean one in a host name (UTS #46). */
function withoutLastDots(text: string): string {
  let end = text.length;
  while (end > 0 && ".。．｡".includes(text[end - 1] ?? " ")) end -= 1;
  return text.slice(0, end);
}

const NORMALISERS: Readonly<Record<NormaliserName, Normaliser>> = {
  exact: { id: "exact.v1", apply: filled },
  text: { id: "text.v1", apply: (value) => filled(folded(value).trim()) },
  id: { id: "id.v1", apply: (value) => filled(folded(value).replaceAll(/[^0-9a-z]/g, "")) },
  digits: { id: "digits.v1", apply: (value) => filled(digitsOf(value)) },
  // Fewer than four are no last four: a tag of them would be one of "a short number".
  last4: { id: "last4.v1", apply: (value) => (digitsOf(value).length < 4 ? undefined : digitsOf(value).slice(-4)) },
  domain: { id: "domain.v1", apply: domainOf },
};

/** Every normaliser there is. */
export const NORMALISER_NAMES = Object.keys(NORMALISERS) as readonly NormaliserName[];

/** The name and version of a normaliser, as keys and the catalogue hold it: `digits.v1`. */
export function normaliserId(name: NormaliserName): string {
  return NORMALISERS[name].id;
}

/**
 * Brings a value into the form that is indexed.
 * @returns Undefined when nothing is left; the value then has no tag.
 */
export function normalise(name: NormaliserName, value: string): string | undefined {
  assert(value.isWellFormed(), "an indexed text is well-formed");
  return NORMALISERS[name].apply(value);
}
