import type { A_Expr, Node, SubLink } from "libpg-query";
import { all, any, type Comparison, type Condition, FALSE, TRUE } from "./cases/index.ts";
import { callCondition } from "./functions.ts";
import { keyOf, origins, shown } from "./origins.ts";
import { selectOf, words } from "./parse.ts";
import type { Scope } from "./scope.ts";
import { rows, targets } from "./subqueries.ts";
import { isCondition, term, whenOf } from "./terms.ts";

/** Reads an expression of type boolean. */
export function condition(node: Node | undefined, scope: Scope): Condition {
  if (node === undefined) return { kind: "free", key: "nothing", text: "nothing", doubt: "a missing part" };
  if ("BoolExpr" in node) {
    const parts = (node.BoolExpr.args ?? []).map((arg) => condition(arg, scope));
    if (node.BoolExpr.boolop === "AND_EXPR") return all(parts);
    if (node.BoolExpr.boolop === "OR_EXPR") return any(parts);
    return { kind: "not", condition: parts[0] ?? FALSE };
  }
  if ("A_Expr" in node) return expression(node, node.A_Expr, scope);
  if ("NullTest" in node) return nullTest(node.NullTest.arg, node.NullTest.nulltesttype === "IS_NULL", scope);
  if ("BooleanTest" in node) return booleanTest(node.BooleanTest.arg, node.BooleanTest.booltesttype, scope);
  if ("SubLink" in node) return subquery(node, node.SubLink, scope);
  if ("FuncCall" in node) return callCondition(node, node.FuncCall, scope);
  if ("CoalesceExpr" in node)
    return { kind: "first", conditions: (node.CoalesceExpr.args ?? []).map((arg) => condition(arg, scope)) };
  if ("CaseExpr" in node) return choice(node, scope);
  if ("A_Const" in node && node.A_Const.boolval !== undefined)
    return node.A_Const.boolval.boolval === true ? TRUE : FALSE;
  return { kind: "holds", term: term(node, scope) };
}

function free(node: Node, scope: Scope, doubt?: string): Condition {
  const inside = origins(node, scope);
  const mixed = inside.from.tenant && inside.from.context ? `how ${shown(node)} compares row and context` : undefined;
  return {
    kind: "free",
    key: `${keyOf(node)} ${inside.key}`,
    text: shown(node),
    doubt: doubt ?? inside.doubt ?? mixed,
  };
}

function expression(node: Node, expr: A_Expr, scope: Scope): Condition {
  switch (expr.kind) {
    case "AEXPR_OP":
      return comparison(node, expr, scope);
    case "AEXPR_OP_ANY":
    case "AEXPR_OP_ALL":
    case "AEXPR_IN":
      return anyOrAll(node, expr, scope);
    case "AEXPR_DISTINCT":
    case "AEXPR_NOT_DISTINCT": {
      if (isRow(expr.lexpr) || isRow(expr.rexpr)) return free(node, scope, "IS DISTINCT FROM between rows");
      if (scope.surroundings.isShadowed("=")) return free(node, scope, "which = is meant");
      const distinct: Condition = { kind: "distinct", left: term(expr.lexpr, scope), right: term(expr.rexpr, scope) };
      return expr.kind === "AEXPR_DISTINCT" ? distinct : { kind: "not", condition: distinct };
    }
    case "AEXPR_NULLIF":
      return { kind: "holds", term: term(node, scope) };
    case "AEXPR_BETWEEN":
    case "AEXPR_NOT_BETWEEN":
    case "AEXPR_BETWEEN_SYM":
    case "AEXPR_NOT_BETWEEN_SYM":
      return between(node, expr, scope);
    default:
      return free(node, scope);
  }
}

/** The comparison that a name means, when it is PostgreSQL's own. */
function operatorOf(name: readonly Node[] | undefined, scope: Scope): string {
  const parts = words(name);
  const symbol = parts.at(-1) ?? "";
  const text = parts.join(".");
  if (parts.length > 1 && parts[0] !== "pg_catalog") return `the operator ${text}`;
  if (!scope.qualified && parts.length === 1 && scope.surroundings.isShadowed(symbol))
    return `which ${symbol} is meant`;
  const comparisons: Readonly<Record<string, Comparison>> = {
    "=": "=",
    "<>": "<>",
    "!=": "<>",
    "<": "<",
    "<=": "<=",
    ">": ">",
    ">=": ">=",
  };
  return comparisons[symbol] ?? "";
}

function isComparison(operator: string): operator is Comparison {
  return /^(=|<>|<|<=|>|>=)$/.test(operator);
}

function isRow(node: Node | undefined): node is Extract<Node, { RowExpr: unknown }> {
  return node !== undefined && "RowExpr" in node;
}

function comparison(node: Node, expr: A_Expr, scope: Scope): Condition {
  const operator = operatorOf(expr.name, scope);
  if (!isComparison(operator)) return free(node, scope, operator === "" ? undefined : operator);
  const { lexpr, rexpr } = expr;
  if (!isRow(lexpr) && !isRow(rexpr)) return compare(operator, lexpr, rexpr, scope);
  if (!isRow(lexpr) || !isRow(rexpr)) return free(node, scope, "a comparison with a row");
  // PostgreSQL prints one operator for all columns, so another one may hide behind it.
  if (scope.surroundings.isShadowed(operator)) return free(node, scope, `which ${operator} is meant`);
  const [left, right] = [lexpr.RowExpr.args ?? [], rexpr.RowExpr.args ?? []];
  const pairs = left.map((each, index) => compare("=", each, right[index], scope));
  if (operator === "=") return all(pairs);
  if (operator === "<>") return { kind: "not", condition: all(pairs) };
  return free(node, scope, "the order of rows");
}

function compare(operator: Comparison, left: Node | undefined, right: Node | undefined, scope: Scope): Condition {
  return { kind: "compare", operator, left: term(left, scope), right: term(right, scope) };
}

/** `x = ANY (...)`, `x <> ALL (...)`, `x IN (...)`. */
function anyOrAll(node: Node, expr: A_Expr, scope: Scope): Condition {
  const operator = operatorOf(expr.name, scope);
  if (!isComparison(operator)) return free(node, scope, operator === "" ? undefined : operator);
  if (isRow(expr.lexpr)) return rowIn(node, expr, operator, scope);
  const items = elements(expr.rexpr);
  if (items === undefined) return free(node, scope);
  const parts = items.map((item) => compare(operator, expr.lexpr, item, scope));
  const isAny = expr.kind === "AEXPR_OP_ANY" || (expr.kind === "AEXPR_IN" && operator === "=");
  return isAny ? any(parts) : all(parts);
}

function rowIn(node: Node, expr: A_Expr, operator: Comparison, scope: Scope): Condition {
  const items = elements(expr.rexpr);
  if (items === undefined || operator !== "=") return free(node, scope, "a comparison with a row");
  const parts = items.map((item) =>
    comparison(node, { kind: "AEXPR_OP", name: expr.name ?? [], ...sides(expr.lexpr, item) }, scope),
  );
  return any(parts);
}

function sides(lexpr: Node | undefined, rexpr: Node | undefined): Pick<A_Expr, "lexpr" | "rexpr"> {
  return { ...(lexpr === undefined ? {} : { lexpr }), ...(rexpr === undefined ? {} : { rexpr }) };
}

/** The elements of a list, an ARRAY[...], or one of these in another type of array. */
function elements(node: Node | undefined): readonly Node[] | undefined {
  if (node === undefined) return undefined;
  if ("List" in node) return node.List.items ?? [];
  if ("A_ArrayExpr" in node) return node.A_ArrayExpr.elements ?? [];
  if (!("TypeCast" in node)) return undefined;
  const { arg, typeName } = node.TypeCast;
  const inner = elements(arg);
  if (inner === undefined || typeName === undefined) return undefined;
  const { arrayBounds: _bounds, ...element } = typeName;
  return inner.map((item) => ({ TypeCast: { arg: item, typeName: element } }));
}

function between(node: Node, expr: A_Expr, scope: Scope): Condition {
  const bounds = elements(expr.rexpr) ?? [];
  const [low, high] = bounds;
  if (low === undefined || high === undefined || (!scope.qualified && scope.surroundings.isShadowed("<=")))
    return free(node, scope, "BETWEEN");
  const inside = (from: Node, to: Node): Condition =>
    all([compare(">=", expr.lexpr, from, scope), compare("<=", expr.lexpr, to, scope)]);
  const symmetric = expr.kind === "AEXPR_BETWEEN_SYM" || expr.kind === "AEXPR_NOT_BETWEEN_SYM";
  const result = symmetric ? any([inside(low, high), inside(high, low)]) : inside(low, high);
  const negated = expr.kind === "AEXPR_NOT_BETWEEN" || expr.kind === "AEXPR_NOT_BETWEEN_SYM";
  return negated ? { kind: "not", condition: result } : result;
}

function nullTest(arg: Node | undefined, wantsNull: boolean, scope: Scope): Condition {
  const one = (each: Node): Condition => {
    const isNull: Condition = isCondition(each)
      ? { kind: "is", condition: condition(each, scope), value: null }
      : { kind: "null", term: term(each, scope) };
    return wantsNull ? isNull : { kind: "not", condition: isNull };
  };
  if (arg === undefined) return FALSE;
  // A row is NULL when all of it is, and NOT NULL when none of it is.
  return isRow(arg) ? all((arg.RowExpr.args ?? []).map(one)) : one(arg);
}

function booleanTest(arg: Node | undefined, test: string | undefined, scope: Scope): Condition {
  const inner = condition(arg, scope);
  const value = test?.endsWith("_TRUE") === true ? true : test?.endsWith("_FALSE") === true ? false : null;
  const result: Condition = { kind: "is", condition: inner, value };
  return test?.startsWith("IS_NOT_") === true ? { kind: "not", condition: result } : result;
}

function subquery(node: Node, link: SubLink, scope: Scope): Condition {
  if (link.subLinkType === "EXPR_SUBLINK") {
    const select = selectOf(link.subselect);
    const target = select === undefined ? undefined : targets(select)[0];
    const plain = select !== undefined && select.fromClause === undefined && select.whereClause === undefined;
    const found = plain ? rows(select, scope) : "";
    if (target !== undefined && typeof found !== "string") return condition(target, found.scope);
    return { kind: "holds", term: term(node, scope) };
  }
  if (link.subLinkType !== "EXISTS_SUBLINK" && link.subLinkType !== "ANY_SUBLINK")
    return free(node, scope, "a comparison with all rows of a subquery");
  const select = selectOf(link.subselect);
  const found = select === undefined ? "not a SELECT" : rows(select, scope);
  if (select === undefined || typeof found === "string")
    return free(node, scope, `a subquery: ${typeof found === "string" ? found : "not a SELECT"}`);
  if (link.subLinkType === "EXISTS_SUBLINK")
    return { kind: "exists", key: found.key, where: found.where, nullable: false };
  const operator = link.operName === undefined ? "=" : operatorOf(link.operName, scope);
  if (!isComparison(operator)) return free(node, scope, operator);
  const tests = isRow(link.testexpr) ? (link.testexpr.RowExpr.args ?? []) : [link.testexpr];
  const values = targets(select);
  if (tests.length !== values.length || (tests.length > 1 && operator !== "="))
    return free(node, scope, "a comparison of rows with a subquery");
  const matches = tests.map(
    (test, index): Condition => ({
      kind: "compare",
      operator,
      left: term(test, scope),
      right: term(values[index], found.scope),
    }),
  );
  return { kind: "exists", key: found.key, where: all([found.where, ...matches]), nullable: true };
}

function choice(node: Extract<Node, { CaseExpr: unknown }>, scope: Scope): Condition {
  const { arg, args, defresult } = node.CaseExpr;
  if (arg !== undefined && scope.surroundings.isShadowed("=")) return free(node, scope, "which = is meant");
  const branches = (args ?? []).flatMap((each) =>
    "CaseWhen" in each
      ? [{ when: whenOf(arg, each.CaseWhen.expr, scope), result: condition(each.CaseWhen.result, scope) }]
      : [],
  );
  const otherwise: Condition =
    defresult === undefined ? { kind: "constant", value: null } : condition(defresult, scope);
  return { kind: "choose", branches, otherwise };
}
