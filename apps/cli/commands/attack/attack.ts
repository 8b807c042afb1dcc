import type { Answer, Ask } from "./http.ts";
import type { Stage } from "./stage.ts";

/** The five layers of the founding document. */
export type Layer = 1 | 2 | 3 | 4 | 5;

/** One request, or a small story that ends in one answer or several of the same kind. */
export type Move = Ask | (() => Promise<Answer | readonly Answer[]>);

/** An attack made ready: whom it concerns exists, and nothing has happened yet. */
export interface Scene {
  /** The same act without the one thing that makes it an attack. Runs first, and has to be let through. */
  readonly twin: Move;
  readonly attack: Move;
  /** What must still be true afterwards, beyond the answers. Returns what is not. */
  readonly holds?: (answers: readonly Answer[]) => Promise<string | undefined> | string | undefined;
}

/** One attack: a mistake of the founding document played against the running system. `On` is what it is played on. */
export interface Attack<On = Stage> {
  /** In kebab-case, stable: `--only` names it. */
  readonly id: string;
  /** What the attacker tries, as one sentence. */
  readonly title: string;
  /** The founding document's flaws that it replays, by number. */
  readonly flaws: readonly number[];
  /** The layer that is expected to stop it. */
  readonly layer: Layer;
  /** The only answer that counts as stopped; a 2xx where the attack is to have the lawful refused or altered. */
  readonly expected: { readonly status: number; readonly code: string };
  /** The one thing in which the twin differs. */
  readonly differs: string;
  /** The fields that may differ, where it takes more than one to say that one thing. */
  readonly differsIn?: readonly string[];
  /** `bank` when the example bank has to run. */
  readonly target: "api" | "bank";
  /** Runs when all others are done, because it looks at what they left behind. */
  readonly last?: boolean;
  readonly scene: (stage: On) => Promise<Scene>;
}

/**
 * Names what differs between two requests: the method, the path, single header fields, single members of the body. The
 * address they come from does not count: it is always a fresh one.
 */
export function differences(one: Ask, other: Ask): readonly string[] {
  const names = new Set<string>();
  const compare = (name: string, a: unknown, b: unknown): void => {
    if (JSON.stringify(a) !== JSON.stringify(b)) names.add(name);
  };
  for (const name of ["method", "path", "server", "session"] as const) compare(name, one[name], other[name]);
  compare("bytes", one.bytes?.toString("base64"), other.bytes?.toString("base64"));
  compareMembers("header", one.headers ?? {}, other.headers ?? {}, compare);
  if (isPlain(one.body) && isPlain(other.body)) compareMembers("body", one.body, other.body, compare);
  else compare("body", one.body, other.body);
  return [...names];
}

function isPlain(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function compareMembers(
  part: string,
  one: Readonly<Record<string, unknown>>,
  other: Readonly<Record<string, unknown>>,
  compare: (name: string, a: unknown, b: unknown) => void,
): void {
  for (const name of new Set([...Object.keys(one), ...Object.keys(other)])) {
    compare(`${part}.${name}`, one[name], other[name]);
  }
}
