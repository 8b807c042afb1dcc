import type { FuncCall, Node } from "libpg-query";
import { CHANGING, known, setting, unique } from "./calls.ts";
import type { Condition, Term } from "./cases/index.ts";
import { other } from "./origins.ts";
import { findAll, type Parsed, parseExpression, parseProcedure, parseStatements, selectOf, words } from "./parse.ts";
import type { Scope } from "./scope.ts";
import type { FunctionSource } from "./surroundings.ts";

/** Deeper than people wrap the function that tells the tenant. */
const INLINED_MAX = 4;
/** Functions that are followed for one question, so that a tree of calls stays small. */
const COURSE_MAX = 500;

/** Reads a call of a function as a value. */
export function call(node: Node, called: FuncCall, scope: Scope): Term {
  const { kind, name } = known(called, scope);
  if (kind === "context") return { kind: "context" };
  if (kind === "setting") return setting(called, scope);
  if (kind === "own") {
    if (name === "set_config") scope.course.calledUnknown = name;
    if (!CHANGING.test(name)) return other(node, scope);
    return unique(other(node, scope), scope);
  }
  const body = follow(called, scope);
  if (typeof body !== "string") return scope.read.term(body.node, body.scope);
  scope.course.calledUnknown = name;
  return unique(other(node, scope, body), scope);
}

/** Reads a call of a function as a condition. */
export function callCondition(node: Node, called: FuncCall, scope: Scope): Condition {
  const { kind } = known(called, scope);
  const body = kind === "foreign" ? follow(called, scope) : "";
  if (typeof body !== "string") return scope.read.condition(body.node, body.scope);
  return { kind: "holds", term: call(node, called, scope) };
}

interface Body {
  readonly node: Node;
  readonly scope: Scope;
}

/** The expression that a function computes, or why it cannot be followed. */
function follow(called: FuncCall, scope: Scope): Body | string {
  const parts = words(called.funcname);
  const name = parts.join(".");
  const args = called.args ?? [];
  const candidates = scope.surroundings.functions(
    parts.length > 1 ? parts.at(-2) : undefined,
    parts.at(-1) ?? "",
    args.length,
  );
  const [found] = candidates;
  if (found === undefined || candidates.length > 1) return `what ${name}() does`;
  const special = called.agg_star ?? called.agg_distinct ?? called.func_variadic ?? called.agg_filter ?? called.over;
  if (found.returnsSet || special !== undefined || args.some((arg) => "NamedArgExpr" in arg))
    return `the call of ${name}()`;
  if (scope.inlined >= INLINED_MAX || scope.course.next > COURSE_MAX)
    return `${name}(), which calls others that call others`;
  scope.course.next += 1;
  const body = bodyOf(found);
  if ("refused" in body) return `the body of ${name}(): ${body.refused}`;
  const values = args.map((arg) => scope.read.term(arg, scope));
  const parameters = new Map<string, Term>();
  for (const [index, value] of values.entries()) {
    parameters.set(String(index + 1), value);
    const parameter = found.parameters[index];
    if (parameter !== undefined && parameter !== "") parameters.set(parameter, value);
  }
  const surroundings = found.definer ? { ...scope.surroundings, isWalled: () => false } : scope.surroundings;
  const inner: Scope = {
    surroundings,
    relations: new Map(),
    outer: undefined,
    parameters,
    inlined: scope.inlined + 1,
    read: scope.read,
    qualified: false,
    course: scope.course,
  };
  return { node: body.tree, scope: inner };
}

/** The one expression of a body; in PL/pgSQL, of one that does nothing but return it. */
function bodyOf({ language, source, parameters }: FunctionSource): Parsed<Node> {
  if (source === undefined) return { refused: "it cannot be read" };
  if (language === "sql") return sqlBody(source);
  if (language === "plpgsql") return procedureBody(source, parameters);
  return { refused: `it is written in ${language}` };
}

function sqlBody(source: string): Parsed<Node> {
  const standard = /^\s*return\b/i.test(source) ? source.replace(/^\s*return\b/i, "select") : source;
  const parsed = parseStatements(standard);
  if ("refused" in parsed) return parsed;
  const [statement, ...others] = parsed.tree;
  if (statement === undefined || others.length > 0) return { refused: "it has several statements" };
  const select = selectOf(statement);
  if (select === undefined) return { refused: "it is not a SELECT" };
  return { tree: { SubLink: { subLinkType: "EXPR_SUBLINK", subselect: statement } } };
}

function procedureBody(source: string, parameters: readonly string[]): Parsed<Node> {
  const parsed = parseProcedure(procedure(source, parameters));
  if ("refused" in parsed) return parsed;
  const statements = findAll(parsed.tree, "body").flatMap((body) => (Array.isArray(body) ? (body as unknown[]) : []));
  const exceptions = findAll(parsed.tree, "exceptions");
  const [only, ...others] = statements;
  const returned = only === undefined ? undefined : findAll(only, "PLpgSQL_stmt_return")[0];
  const query = returned === undefined ? undefined : findAll(returned, "query")[0];
  // A block that only returns ends with an empty RETURN of PL/pgSQL's own.
  const rest = others.filter((each) => Object.keys(findAll(each, "PLpgSQL_stmt_return")[0] ?? { other: 1 }).length > 0);
  if (typeof query !== "string" || rest.length > 0 || exceptions.length > 0 || !isReturn(only))
    return { refused: "it does more than return an expression" };
  return parseExpression(query);
}

function isReturn(statement: unknown): boolean {
  return typeof statement === "object" && statement !== null && Object.keys(statement)[0] === "PLpgSQL_stmt_return";
}

/** A definition around a body, for the parser: types and the rest of the header change nothing in the tree. */
export function procedure(source: string, parameters: readonly string[], returns = "text"): string {
  let tag = "$ringwall$";
  while (source.includes(tag)) tag = `${tag.slice(0, -1)}_$`;
  const list = parameters.map((name) => `${name === "" ? "" : `"${name.replaceAll('"', '""')}" `}text`).join(", ");
  return `create function f(${list}) returns ${returns} language plpgsql as ${tag}${source}${tag}`;
}
