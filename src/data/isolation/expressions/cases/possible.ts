import type { Condition, Term } from "./condition.ts";
import { CONTEXT, type Guesses, TENANT, type Truth, truth, type Value } from "./evaluate.ts";
import type { World } from "./world.ts";

type Truths = ReadonlySet<Truth>;

const ANY: Truths = new Set([true, false, null]);
const VALUES_MAX = 16;

/**
 * Whether a condition may be true in a world, each part taken for itself: linear, and never wrong when it says no.
 * It says yes where only the parts together exclude it.
 */
export function mayBeTrue(condition: Condition, world: World): boolean {
  return truths(condition, world).has(true);
}

function truths(condition: Condition, world: World): Truths {
  switch (condition.kind) {
    case "constant":
      return new Set([condition.value]);
    case "and":
    case "or":
      return joined(condition.conditions, condition.kind === "or", world);
    case "not":
      return new Set([...truths(condition.condition, world)].map((each) => (each === null ? null : !each)));
    case "compare":
    case "distinct":
      return compared(condition, world);
    case "null": {
      const values = possible(condition.term, world);
      if (values === undefined) return new Set([true, false]);
      return new Set([...values].map((each) => each === undefined));
    }
    case "is":
      return new Set([...truths(condition.condition, world)].map((each) => each === condition.value));
    case "first":
      return firstOf(condition.conditions, world);
    case "choose":
      return new Set(
        [...condition.branches.map(({ result }) => result), condition.otherwise].flatMap((each) => [
          ...truths(each, world),
        ]),
      );
    case "exists":
      return new Set<Truth>([
        ...(mayBeTrue(condition.where, world) ? [true] : []),
        false,
        ...(condition.nullable ? [null] : []),
      ]);
    case "holds":
    case "free":
      return ANY;
  }
}

function joined(conditions: readonly Condition[], ends: boolean, world: World): Truths {
  let result = new Set<Truth>([!ends]);
  for (const each of conditions) {
    const next = truths(each, world);
    const both = [...result].flatMap((left) => [...next].map((right) => join(left, right, ends)));
    result = new Set(both);
  }
  return result;
}

function join(left: Truth, right: Truth, ends: boolean): Truth {
  if (left === ends || right === ends) return ends;
  return left === null || right === null ? null : !ends;
}

function firstOf(conditions: readonly Condition[], world: World): Truths {
  const result = new Set<Truth>();
  for (const each of conditions) {
    const next = truths(each, world);
    for (const value of next) if (value !== null) result.add(value);
    if (!next.has(null)) return result;
  }
  return result.add(null);
}

function compared(condition: Extract<Condition, { kind: "compare" | "distinct" }>, world: World): Truths {
  const [left, right] = [possible(condition.left, world), possible(condition.right, world)];
  if (left === undefined || right === undefined) return ANY;
  const result = new Set<Truth>();
  for (const a of left) {
    for (const b of right) {
      for (const order of a === undefined || b === undefined ? (["less"] as const) : world.orders(a, b)) {
        const fixed: Guesses = { choose: (_key, options) => one(options), order: () => order };
        result.add(truth({ ...condition, left: known(a), right: known(b) }, fixed));
      }
    }
  }
  return result;
}

/** A term that stands for a value already chosen. */
function known(value: Value | undefined): Term {
  return value === undefined ? { kind: "null" } : { ...value, kind: "symbol", nullable: false };
}

function one<Option>(options: readonly Option[]): Option {
  const [first] = options;
  if (first === undefined) throw new TypeError("a choice has an option");
  return first;
}

/** The values that a term may have; `undefined` in the set is NULL, no set at all is anything. */
function possible(term: Term, world: World): ReadonlySet<Value | undefined> | undefined {
  switch (term.kind) {
    case "null":
      return new Set([undefined]);
    case "tenant":
      return new Set([world.tenantIsNull ? undefined : TENANT]);
    case "context":
      return new Set([world.contextIsNull ? undefined : CONTEXT]);
    case "symbol":
      return new Set(term.nullable ? [term, undefined] : [term]);
    case "literal":
      return new Set([literalValue(term)]);
    case "coalesce":
      return union(term.terms, world);
    case "nullif":
      return union([term.left, { kind: "null" }], world);
    case "choose":
      return union([...term.branches.map(({ result }) => result), term.otherwise], world);
    case "scalar":
      return mayBeTrue(term.where, world) ? union([term.target, { kind: "null" }], world) : new Set([undefined]);
    case "truth":
      return undefined;
  }
}

function literalValue(term: Extract<Term, { kind: "literal" }>): Value {
  const { type, value } = term;
  return {
    key: `${type} ${value}`,
    text: value,
    exact: type !== "other",
    literal: { type, value },
    from: { tenant: false, context: false },
    doubt: undefined,
  };
}

function union(terms: readonly Term[], world: World): ReadonlySet<Value | undefined> | undefined {
  const result = new Map<string | undefined, Value | undefined>();
  for (const each of terms) {
    const values = possible(each, world);
    if (values === undefined) return undefined;
    for (const value of values) result.set(value?.key, value);
  }
  return result.size > VALUES_MAX ? undefined : new Set(result.values());
}
