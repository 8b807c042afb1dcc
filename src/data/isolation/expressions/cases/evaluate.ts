import type { Comparison, Condition, Doubt, Symbol, Term } from "./condition.ts";

/** Three values, as SQL has them. */
export type Truth = boolean | null;

/** A value of which only the identity is known. `undefined` is NULL. */
export interface Value {
  readonly key: string;
  readonly text: string;
  readonly exact: boolean;
  readonly literal?: { readonly type: string; readonly value: string };
  readonly from: { readonly tenant: boolean; readonly context: boolean };
  readonly doubt: Doubt;
}

/** How two values that are not NULL compare. */
export type Order = "less" | "equal" | "greater";

/** Answers the questions that an expression leaves open; the same answer for the same key. */
export interface Guesses {
  choose<Option>(key: string, options: readonly Option[], say: (option: Option) => string, doubt: Doubt): Option;
  /** Called for each comparison of two values that are not NULL. */
  order(left: Value, right: Value): Order;
}

const NOTHING = { tenant: false, context: false };
export const TENANT: Value = {
  key: "tenant",
  text: "the row's tenant",
  exact: true,
  from: { tenant: true, context: false },
  doubt: undefined,
};
export const CONTEXT: Value = {
  key: "context",
  text: "the context's tenant",
  exact: true,
  from: { tenant: false, context: true },
  doubt: undefined,
};

/** The value of a condition under some guesses, as PostgreSQL would compute it. */
export function truth(condition: Condition, guesses: Guesses): Truth {
  switch (condition.kind) {
    case "constant":
      return condition.value;
    case "and":
      return conjunction(condition.conditions, guesses, false);
    case "or":
      return conjunction(condition.conditions, guesses, true);
    case "not":
      return negate(truth(condition.condition, guesses));
    case "compare":
      return compare(condition.operator, condition.left, condition.right, guesses);
    case "distinct":
      return distinct(value(condition.left, guesses), value(condition.right, guesses), guesses);
    case "null":
      return value(condition.term, guesses) === undefined;
    case "is":
      return truth(condition.condition, guesses) === condition.value;
    case "first": {
      for (const each of condition.conditions) {
        const result = truth(each, guesses);
        if (result !== null) return result;
      }
      return null;
    }
    case "choose": {
      const branch = condition.branches.find(({ when }) => truth(when, guesses) === true);
      return truth(branch === undefined ? condition.otherwise : branch.result, guesses);
    }
    case "exists":
      return exists(condition, guesses);
    case "holds":
      return holds(condition.term, guesses);
    case "free":
      return guesses.choose(condition.key, THREE, (option) => said(condition.text, option), condition.doubt);
  }
}

const THREE: readonly Truth[] = [true, false, null];
const TWO: readonly Truth[] = [true, false];

function said(text: string, option: Truth): string {
  return option === null ? `${text} is NULL` : option ? `${text} is true` : `${text} is false`;
}

function negate(result: Truth): Truth {
  return result === null ? null : !result;
}

/** AND, and OR with `ends` true: stops at the value that ends it, else NULL when one was NULL. */
function conjunction(conditions: readonly Condition[], guesses: Guesses, ends: boolean): Truth {
  let result: Truth = !ends;
  for (const each of conditions) {
    const next = truth(each, guesses);
    if (next === ends) return ends;
    if (next === null) result = null;
  }
  return result;
}

function compare(operator: Comparison, left: Term, right: Term, guesses: Guesses): Truth {
  const [a, b] = [value(left, guesses), value(right, guesses)];
  if (a === undefined || b === undefined) return null;
  const order = guesses.order(a, b);
  switch (operator) {
    case "=":
      return order === "equal";
    case "<>":
      return order !== "equal";
    case "<":
      return order === "less";
    case "<=":
      return order !== "greater";
    case ">":
      return order === "greater";
    case ">=":
      return order !== "less";
  }
}

function distinct(a: Value | undefined, b: Value | undefined, guesses: Guesses): boolean {
  if (a === undefined || b === undefined) return a !== b;
  return guesses.order(a, b) !== "equal";
}

function exists(condition: Extract<Condition, { kind: "exists" }>, guesses: Guesses): Truth {
  const found = truth(condition.where, guesses) === true;
  // Of another row nothing was guessed: that this one does not do says nothing, that it does is one way to be true.
  const options = [...(found ? [true] : []), false, ...(condition.nullable ? [null] : [])];
  return guesses.choose(
    condition.key,
    options,
    (option) => (option === true ? "the subquery finds a row" : ""),
    undefined,
  );
}

function holds(term: Term, guesses: Guesses): Truth {
  const result = value(term, guesses);
  if (result === undefined) return null;
  if (result.literal?.type === "boolean") return result.literal.value === "true";
  return guesses.choose(`holds ${result.key}`, TWO, (option) => said(result.text, option), result.doubt);
}

/** The value of a term under some guesses. */
export function value(term: Term, guesses: Guesses): Value | undefined {
  switch (term.kind) {
    case "null":
      return undefined;
    case "literal":
      return literal(term.type, term.value);
    case "tenant":
      return orNull(TENANT, guesses);
    case "context":
      return orNull(CONTEXT, guesses);
    case "symbol":
      return term.nullable ? orNull(term, guesses) : term;
    case "coalesce": {
      for (const each of term.terms) {
        const result = value(each, guesses);
        if (result !== undefined) return result;
      }
      return undefined;
    }
    case "nullif": {
      const [left, right] = [value(term.left, guesses), value(term.right, guesses)];
      if (left === undefined || right === undefined) return left;
      return guesses.order(left, right) === "equal" ? undefined : left;
    }
    case "choose": {
      const branch = term.branches.find(({ when }) => truth(when, guesses) === true);
      return value(branch === undefined ? term.otherwise : branch.result, guesses);
    }
    case "scalar": {
      if (truth(term.where, guesses) !== true) return undefined;
      const some = guesses.choose(
        term.key,
        TWO,
        (option) => (option === true ? "the subquery finds a row" : ""),
        undefined,
      );
      return some === true ? value(term.target, guesses) : undefined;
    }
    case "truth": {
      const result = truth(term.condition, guesses);
      return result === null ? undefined : literal("boolean", String(result));
    }
  }
}

function literal(type: string, text: string): Value {
  return {
    key: `${type} ${text}`,
    text: type === "text" ? `'${text}'` : text,
    exact: type !== "other",
    literal: { type, value: text },
    from: NOTHING,
    doubt: undefined,
  };
}

function orNull(symbol: Value | Symbol, guesses: Guesses): Value | undefined {
  const isNull = guesses.choose(
    `null ${symbol.key}`,
    TWO,
    (option) => (option === true ? `${symbol.text} is NULL` : `${symbol.text} is not NULL`),
    symbol.doubt,
  );
  return isNull === true ? undefined : symbol;
}
