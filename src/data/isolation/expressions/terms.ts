import type { Node, TypeCast } from "libpg-query";
import type { Condition, Term } from "./cases/index.ts";
import { call } from "./functions.ts";
import { keyOf, other } from "./origins.ts";
import { selectOf, words } from "./parse.ts";
import { column, type Scope, symbol } from "./scope.ts";
import { rows, targets } from "./subqueries.ts";

/** Reads a value. */
export function term(node: Node | undefined, scope: Scope): Term {
  if (node === undefined) return symbol("nothing", "nothing", { doubt: "a missing part" });
  if ("ColumnRef" in node) return columnReference(node, scope);
  if ("A_Const" in node) return constant(node.A_Const);
  if ("TypeCast" in node) return cast(node, node.TypeCast, scope);
  if ("FuncCall" in node) return call(node, node.FuncCall, scope);
  if ("ParamRef" in node) {
    const number = String(node.ParamRef.number ?? 0);
    return scope.parameters.get(number) ?? symbol(`parameter ${number}`, `$${number}`, { doubt: `what $${number} is` });
  }
  if ("CoalesceExpr" in node)
    return { kind: "coalesce", terms: (node.CoalesceExpr.args ?? []).map((arg) => term(arg, scope)) };
  // Which `=` these use is not printed with them.
  const comparesUnseen =
    ("A_Expr" in node && node.A_Expr.kind === "AEXPR_NULLIF") ||
    ("CaseExpr" in node && node.CaseExpr.arg !== undefined);
  if (comparesUnseen && scope.surroundings.isShadowed("=")) return other(node, scope, "which = is meant");
  if ("CaseExpr" in node) return choice(node, scope);
  if ("A_Expr" in node && node.A_Expr.kind === "AEXPR_NULLIF")
    return { kind: "nullif", left: term(node.A_Expr.lexpr, scope), right: term(node.A_Expr.rexpr, scope) };
  if ("SubLink" in node && node.SubLink.subLinkType === "EXPR_SUBLINK")
    return scalar(node, node.SubLink.subselect, scope);
  if ("CollateClause" in node) {
    const name = words(node.CollateClause.collname).at(-1) ?? "";
    return PLAIN_COLLATIONS.has(name)
      ? term(node.CollateClause.arg, scope)
      : other(node, scope, `the collation ${name}`);
  }
  if (isCondition(node)) return { kind: "truth", condition: scope.read.condition(node, scope) };
  return other(node, scope);
}

const PLAIN_COLLATIONS = new Set(["C", "POSIX", "default", "ucs_basic", "C.UTF-8", "en_US.utf8"]);

/** Whether a node is a condition by its form, whatever stands in it. */
export function isCondition(node: Node): boolean {
  if ("BoolExpr" in node || "NullTest" in node || "BooleanTest" in node) return true;
  if ("SubLink" in node)
    return node.SubLink.subLinkType !== "EXPR_SUBLINK" && node.SubLink.subLinkType !== "ARRAY_SUBLINK";
  if (!("A_Expr" in node)) return false;
  const { kind, name } = node.A_Expr;
  if (kind === "AEXPR_NULLIF") return false;
  return kind !== "AEXPR_OP" || /^(=|<>|!=|<|<=|>|>=)$/.test(words(name).at(-1) ?? "");
}

function columnReference(node: Extract<Node, { ColumnRef: unknown }>, scope: Scope): Term {
  const fields = node.ColumnRef.fields ?? [];
  const names = words(fields);
  if (names.length !== fields.length) return other(node, scope);
  return column(names, scope);
}

function constant(value: Extract<Node, { A_Const: unknown }>["A_Const"]): Term {
  if (value.isnull === true) return { kind: "null" };
  if (value.boolval !== undefined)
    return { kind: "literal", type: "boolean", value: String(value.boolval.boolval ?? false) };
  if (value.ival !== undefined) return { kind: "literal", type: "integer", value: String(value.ival.ival ?? 0) };
  // A string without a type takes that of what it is compared with.
  if (value.sval !== undefined) return { kind: "literal", type: "other", value: value.sval.sval ?? "" };
  return { kind: "literal", type: "other", value: value.fval?.fval ?? value.bsval?.bsval ?? "" };
}

const TEXT_TYPES = new Set(["text", "varchar"]);
const INTEGER_TYPES = new Set(["int2", "int4", "int8", "oid"]);
/** Types that an identity may be brought into without two values becoming one, or else with an error. */
const FAITHFUL_TYPES = new Set([...TEXT_TYPES, ...INTEGER_TYPES, "uuid", "numeric"]);

/** Reads a cast. What may make one value of two is a value of its own. */
function cast(node: Node, { arg, typeName }: TypeCast, scope: Scope): Term {
  const names = words(typeName?.names);
  const type = names.length === 1 || names[0] === "pg_catalog" ? (names.at(-1) ?? "") : undefined;
  const inner = term(arg, scope);
  const isArray = (typeName?.arrayBounds ?? []).length > 0;
  if (inner.kind === "null") return inner;
  if (type === undefined || isArray || (typeName?.typmods ?? []).length > 0)
    return converted(node, inner, scope, type === undefined ? `the type ${names.join(".")}` : undefined);
  if (inner.kind === "literal") return literalAs(inner, type);
  if (inner.kind === "truth") return type === "bool" ? inner : converted(node, inner, scope, undefined);
  if (!FAITHFUL_TYPES.has(type)) return converted(node, inner, scope, undefined);
  if (faithful(arg, inner, type, scope)) return inner;
  return converted(node, inner, scope, undefined);
}

function literalAs(literal: Extract<Term, { kind: "literal" }>, type: string): Term {
  const { value } = literal;
  if (TEXT_TYPES.has(type)) return { kind: "literal", type: "text", value };
  if (INTEGER_TYPES.has(type) && /^-?\d{1,18}$/.test(value)) return { kind: "literal", type: "integer", value };
  if (type === "bool" && /^(t|true|f|false)$/i.test(value))
    return { kind: "literal", type: "boolean", value: String(/^t/i.test(value)) };
  return { kind: "literal", type: "other", value };
}

/**
 * The context is what the column's type makes of it, so any faithful type will do. The tenant's column keeps its
 * identity when it becomes a text, or a number a larger one; two texts may be one uuid or one number.
 */
function faithful(arg: Node | undefined, inner: Term, type: string, scope: Scope): boolean {
  if (inner.kind === "context") return true;
  if (inner.kind === "coalesce") return inner.terms.every((each) => faithful(undefined, each, type, scope));
  if (inner.kind === "nullif") return faithful(undefined, inner.left, type, scope);
  if (inner.kind === "scalar") return faithful(undefined, inner.target, type, scope);
  if (inner.kind === "null" || inner.kind === "literal") return inner.kind === "null" || TEXT_TYPES.has(type);
  if (inner.kind === "tenant") return TEXT_TYPES.has(type) || isIntegerTenant(type, scope);
  return TEXT_TYPES.has(type) && arg !== undefined && "ColumnRef" in arg && inner.kind === "symbol" && inner.exact;
}

function isIntegerTenant(type: string, scope: Scope): boolean {
  let at = scope;
  while (at.outer !== undefined) at = at.outer;
  const judged = [...at.relations.values()].find(({ role }) => role === "judged");
  if (judged?.table === undefined) return false;
  const name = at.surroundings.tenantColumn(judged.table);
  const known = name === undefined ? undefined : at.surroundings.column(judged.table, name);
  return known !== undefined && INTEGER_TYPES.has(known.type) && (INTEGER_TYPES.has(type) || type === "numeric");
}

function converted(node: Node, inner: Term, scope: Scope, doubt: string | undefined): Term {
  if (inner.kind === "symbol" && doubt === undefined)
    return { ...inner, key: `${inner.key} as ${keyOf(node)}`, exact: false, nullable: true };
  return other(node, scope, doubt);
}

function choice(node: Extract<Node, { CaseExpr: unknown }>, scope: Scope): Term {
  const { arg, args, defresult } = node.CaseExpr;
  const branches = (args ?? []).flatMap((each) =>
    "CaseWhen" in each
      ? [{ when: whenOf(arg, each.CaseWhen.expr, scope), result: term(each.CaseWhen.result, scope) }]
      : [],
  );
  return { kind: "choose", branches, otherwise: defresult === undefined ? { kind: "null" } : term(defresult, scope) };
}

/** The condition of a branch: `CASE WHEN x`, or `CASE a WHEN b`. */
export function whenOf(subject: Node | undefined, when: Node | undefined, scope: Scope): Condition {
  if (subject === undefined) return scope.read.condition(when, scope);
  return { kind: "compare", operator: "=", left: term(subject, scope), right: term(when, scope) };
}

function scalar(node: Node, subselect: Node | undefined, scope: Scope): Term {
  const select = selectOf(subselect);
  const found = select === undefined ? "not a SELECT" : rows(select, scope);
  if (select === undefined || typeof found === "string")
    return other(node, scope, `a subquery: ${typeof found === "string" ? found : "not a SELECT"}`);
  const target = targets(select)[0];
  if (target === undefined) return other(node, scope, "a subquery without a value");
  const value = term(target, found.scope);
  if ((select.fromClause ?? []).length === 0 && select.whereClause === undefined) return value;
  return { kind: "scalar", key: found.key, where: found.where, target: value };
}
