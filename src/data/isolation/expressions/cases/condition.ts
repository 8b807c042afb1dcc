/**
 * A policy's expression, reduced to what decides whose rows it lets through. Whatever is not in this language is a
 * symbol or a free condition, which may have any value.
 */

/** Why a value may not be what it seems; a condition that needs it is not decided. */
export type Doubt = string | undefined;

/** A value that stands for itself: two uses of the same key have the same value. */
export interface Symbol {
  readonly kind: "symbol";
  readonly key: string;
  /** As a person reads it. */
  readonly text: string;
  readonly nullable: boolean;
  /** Equality of two exact symbols carries over to a third: no rounding, no collation that ignores case. */
  readonly exact: boolean;
  /** What it is computed from, when that is not itself: a function of the tenant's column is not the tenant's column. */
  readonly from: { readonly tenant: boolean; readonly context: boolean };
  readonly doubt: Doubt;
}

export type Term =
  | { readonly kind: "null" }
  | { readonly kind: "literal"; readonly type: "text" | "integer" | "boolean" | "other"; readonly value: string }
  /** Whose the row is. */
  | { readonly kind: "tenant" }
  /** Whose the transaction is, as the trusted function says. */
  | { readonly kind: "context" }
  | Symbol
  | { readonly kind: "coalesce"; readonly terms: readonly Term[] }
  | { readonly kind: "nullif"; readonly left: Term; readonly right: Term }
  | { readonly kind: "choose"; readonly branches: readonly Branch<Term>[]; readonly otherwise: Term }
  /** The one value of a subquery, NULL when it has no row. */
  | { readonly kind: "scalar"; readonly key: string; readonly where: Condition; readonly target: Term }
  | { readonly kind: "truth"; readonly condition: Condition };

export interface Branch<Result> {
  readonly when: Condition;
  readonly result: Result;
}

export type Comparison = "=" | "<>" | "<" | "<=" | ">" | ">=";

export type Condition =
  | { readonly kind: "constant"; readonly value: boolean | null }
  | { readonly kind: "and" | "or"; readonly conditions: readonly Condition[] }
  | { readonly kind: "not"; readonly condition: Condition }
  | { readonly kind: "compare"; readonly operator: Comparison; readonly left: Term; readonly right: Term }
  | { readonly kind: "distinct"; readonly left: Term; readonly right: Term }
  | { readonly kind: "null"; readonly term: Term }
  /** IS TRUE, IS FALSE, IS UNKNOWN. */
  | { readonly kind: "is"; readonly condition: Condition; readonly value: boolean | null }
  /** COALESCE over conditions. */
  | { readonly kind: "first"; readonly conditions: readonly Condition[] }
  | { readonly kind: "choose"; readonly branches: readonly Branch<Condition>[]; readonly otherwise: Condition }
  /** There is a row for which `where` is true; `nullable` for IN, which is NULL when it is not sure. */
  | { readonly kind: "exists"; readonly key: string; readonly where: Condition; readonly nullable: boolean }
  /** A value of type boolean. */
  | { readonly kind: "holds"; readonly term: Term }
  /** May be true, false or NULL, whatever else holds. */
  | { readonly kind: "free"; readonly key: string; readonly text: string; readonly doubt: Doubt };

export const TRUE: Condition = { kind: "constant", value: true };
export const FALSE: Condition = { kind: "constant", value: false };

/** AND of conditions; of none it is true. */
export function all(conditions: readonly Condition[]): Condition {
  return conditions.length === 1 && conditions[0] !== undefined ? conditions[0] : { kind: "and", conditions };
}

/** OR of conditions; of none it is false. */
export function any(conditions: readonly Condition[]): Condition {
  return conditions.length === 1 && conditions[0] !== undefined ? conditions[0] : { kind: "or", conditions };
}

/** A condition about which nothing is known but its text. */
export function notUnderstood(text: string, why: string): Condition {
  return { kind: "free", key: text, text, doubt: why };
}
