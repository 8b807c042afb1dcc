import { findAll } from "../parse.ts";
import type { Condition, Doubt } from "./condition.ts";
import { CONTEXT, type Guesses, type Order, TENANT, truth, type Value } from "./evaluate.ts";
import { mayBeTrue } from "./possible.ts";
import { type World, worlds } from "./world.ts";

/** Whether a condition lets only the context's own rows through. */
export type Decision =
  | { readonly answer: "implies"; readonly reason: string }
  /** `witness` completes "holds for ...". */
  | { readonly answer: "does not imply"; readonly witness: string }
  | { readonly answer: "unknown"; readonly notUnderstood: string };

/** What is asked: does `condition` imply that the row is the context's? */
export interface Question {
  readonly condition: Condition;
  /** Whether a row may have no tenant. */
  readonly tenantNullable: boolean;
}

/** Decides questions. The one here searches cases; a formal one may stand beside it and must never say more. */
export interface Prover {
  decide(question: Question): Decision;
}

/** Steps of evaluation, over all cases of a question: a second of work at most. */
const STEPS_MAX = 300_000;
const WITNESS_PARTS_MAX = 4;

/**
 * Decides by cases: a condition implies the wall when it is true in no case in which the row is not the context's.
 * Sound for "implies"; where the cases are too many, or one rests on what was not understood, the answer is unknown.
 */
export const caseProver: Prover = {
  decide({ condition, tenantNullable }) {
    const ordered = doubtLast(condition).condition;
    const open = worlds(tenantNullable).filter((world) => mayBeTrue(ordered, world));
    if (open.length === 0)
      return { answer: "implies", reason: "it is true only when the row's tenant is the context's" };
    const steps = { left: STEPS_MAX };
    let unknown: string | undefined;
    for (const world of open) {
      const found = search(ordered, world, steps);
      if (found.kind === "witness") return { answer: "does not imply", witness: found.text };
      if (found.kind === "doubt") unknown ??= found.text;
    }
    if (unknown !== undefined) return { answer: "unknown", notUnderstood: unknown };
    return { answer: "implies", reason: "in no case is it true for a row that is not the context's" };
  },
};

/** Puts what is understood before what is not, so that a case that needs no doubt is found without one. */
function doubtLast(condition: Condition): { readonly condition: Condition; readonly doubtful: boolean } {
  if (condition.kind === "not") {
    const inner = doubtLast(condition.condition);
    return { condition: { ...condition, condition: inner.condition }, doubtful: inner.doubtful };
  }
  if (condition.kind !== "and" && condition.kind !== "or") return { condition, doubtful: isDoubtful(condition) };
  const parts = condition.conditions.map(doubtLast);
  const sorted = [...parts.filter(({ doubtful }) => !doubtful), ...parts.filter(({ doubtful }) => doubtful)];
  return {
    condition: { ...condition, conditions: sorted.map((part) => part.condition) },
    doubtful: parts.some(({ doubtful }) => doubtful),
  };
}

function isDoubtful(condition: Condition): boolean {
  return findAll({ condition }, "doubt").some((doubt) => doubt !== undefined);
}

type Found = { readonly kind: "nothing" } | { readonly kind: "witness" | "doubt"; readonly text: string };

function search(condition: Condition, world: World, steps: { left: number }): Found {
  const path = new Path(world, steps);
  let doubt: string | undefined;
  try {
    do {
      path.restart();
      if (truth(condition, path) !== true || !path.isConsistent()) continue;
      const doubted = path.doubt();
      if (doubted === undefined) return { kind: "witness", text: path.words() };
      doubt ??= doubted;
    } while (path.advance());
  } catch (error) {
    if (!(error instanceof TooMany)) throw error;
    doubt ??= "the expression has too many cases";
  }
  return doubt === undefined ? { kind: "nothing" } : { kind: "doubt", text: doubt };
}

class TooMany extends Error {}

interface Step {
  readonly key: string;
  readonly options: readonly unknown[];
  index: number;
  readonly text: string;
  readonly doubt: Doubt;
}

interface Compared {
  readonly left: Value;
  readonly right: Value;
  readonly order: Order;
}

/** One case after the other: the choices made so far are repeated, the last one with an option left is changed. */
class Path implements Guesses {
  readonly #world: World;
  readonly #steps: { left: number };
  #trail: Step[] = [];
  #used: Step[] = [];
  #chosen = new Map<string, unknown>();
  #compared: Compared[] = [];

  constructor(world: World, steps: { left: number }) {
    this.#world = world;
    this.#steps = steps;
  }

  restart(): void {
    this.#used = [];
    this.#compared = [];
    this.#chosen = new Map<string, unknown>([
      [`null ${TENANT.key}`, this.#world.tenantIsNull],
      [`null ${CONTEXT.key}`, this.#world.contextIsNull],
    ]);
  }

  /** @returns `false` when every case was seen. */
  advance(): boolean {
    for (let last = this.#trail.at(-1); last !== undefined; last = this.#trail.at(-1)) {
      if (last.index + 1 < last.options.length) {
        last.index += 1;
        return true;
      }
      this.#trail.pop();
    }
    return false;
  }

  choose<Option>(key: string, options: readonly Option[], say: (option: Option) => string, doubt: Doubt): Option {
    this.#steps.left -= 1;
    if (this.#steps.left < 0) throw new TooMany();
    // The map holds for a key only what was one of its options.
    if (this.#chosen.has(key)) return this.#chosen.get(key) as Option;
    const place = this.#used.length;
    const before = this.#trail[place];
    const index = before?.index ?? 0;
    const option = options[index];
    if (option === undefined) throw new TypeError("a choice has the options it had before");
    const step = { key, options, index, text: say(option), doubt };
    this.#trail[place] = step;
    this.#used.push(step);
    this.#chosen.set(key, option);
    return option;
  }

  order(left: Value, right: Value): Order {
    const flipped = left.key > right.key;
    const [a, b] = flipped ? [right, left] : [left, right];
    const options = this.#world.orders(a, b);
    const mixes = (a.from.tenant && b.from.context) || (a.from.context && b.from.tenant);
    const plain = isWhole(a) && isWhole(b);
    const doubt = a.doubt ?? b.doubt ?? (mixes && !plain ? `how ${a.text} and ${b.text} compare` : undefined);
    const order = this.choose(`order ${a.key} and ${b.key}`, options, (option) => saidOrder(a, b, option), doubt);
    this.#compared.push({ left: a, right: b, order });
    if (!flipped || order === "equal") return order;
    return order === "less" ? "greater" : "less";
  }

  /** Whether the equalities that were chosen can hold together. */
  isConsistent(): boolean {
    this.#steps.left -= this.#compared.length;
    const classes = new Map<string, string>();
    const root = (key: string): string => {
      let at = key;
      for (let up = classes.get(at); up !== undefined; up = classes.get(at)) at = up;
      return at;
    };
    const literals = new Map<string, NonNullable<Value["literal"]>>();
    for (const { left, right, order } of this.#compared) {
      for (const { key, literal } of [left, right])
        if (literal !== undefined && literal.type !== "other") literals.set(key, literal);
      if (order !== "equal" || !left.exact || !right.exact) continue;
      const [a, b] = [root(left.key), root(right.key)];
      if (a !== b) classes.set(a, b);
    }
    if (!this.#world.tenantIsNull && !this.#world.contextIsNull && root(TENANT.key) === root(CONTEXT.key)) return false;
    if (this.#compared.some(({ left, right, order }) => order !== "equal" && root(left.key) === root(right.key)))
      return false;
    const held = new Map<string, NonNullable<Value["literal"]>>();
    for (const [key, literal] of literals) {
      const other = held.get(root(key));
      if (other !== undefined && other.type === literal.type && other.value !== literal.value) return false;
      held.set(root(key), literal);
    }
    return true;
  }

  doubt(): Doubt {
    return this.#used.find(({ doubt }) => doubt !== undefined)?.doubt;
  }

  /** The case in words. */
  words(): string {
    const parts = this.#used.map(({ text }) => text).filter((text) => text !== "");
    const shown = parts.slice(-WITNESS_PARTS_MAX);
    return shown.length === 0 ? this.#world.text : `${this.#world.text}: ${shown.join(", ")}`;
  }
}

function isWhole({ key }: Value): boolean {
  return key === TENANT.key || key === CONTEXT.key;
}

function saidOrder(left: Value, right: Value, order: Order): string {
  if (order === "equal") return `${left.text} equals ${right.text}`;
  return isWhole(left) && isWhole(right) ? "" : `${left.text} does not equal ${right.text}`;
}
