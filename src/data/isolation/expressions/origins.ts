import type { FuncCall, Node } from "libpg-query";
import { glance } from "./calls.ts";
import type { Term } from "./cases/index.ts";
import { findAll, words } from "./parse.ts";
import { type Scope, symbol } from "./scope.ts";

/** A value that is computed in a way that is not followed. */
export function other(node: Node, scope: Scope, doubt?: string): Term {
  const inside = origins(node, scope);
  const key = `${keyOf(node)} ${inside.key}`;
  return symbol(key, shown(node), { from: inside.from, doubt: doubt ?? inside.doubt });
}

interface Origins {
  readonly from: { readonly tenant: boolean; readonly context: boolean };
  readonly doubt: string | undefined;
  /** The same text in another scope is another value. */
  readonly key: string;
}

/**
 * What the parts of a node are computed from. Calls inside are told by their names only: following each of them at every
 * level would take exponential time.
 */
export function origins(node: Node, scope: Scope): Origins {
  const columns = ["ColumnRef", "ParamRef"].flatMap((kind) =>
    findAll(node, kind).map((found) => scope.read.term({ [kind]: found } as Node, scope)),
  );
  const calls = findAll(node, "FuncCall").map((found) => glance(found as FuncCall, scope));
  const parts = [...columns, ...calls];
  const has = (kind: "tenant" | "context"): boolean => parts.some((part) => comesFrom(part, kind));
  const doubts = parts.flatMap((part) => (part.kind === "symbol" && part.doubt !== undefined ? [part.doubt] : []));
  const subquery = findAll(node, "SubLink").length > 0 ? "a subquery inside of another expression" : undefined;
  const operator = findAll(node, "A_Expr")
    .map(foreignOperator)
    .find((name) => name !== undefined);
  return {
    from: { tenant: has("tenant"), context: has("context") },
    doubt: doubts[0] ?? operator ?? subquery,
    key: parts.map((part) => (part.kind === "symbol" ? part.key : part.kind)).join(" "),
  };
}

/** Whether a value is computed from whose the row, or the transaction, is. A composed one is taken to be from both. */
function comesFrom(part: Term, kind: "tenant" | "context"): boolean {
  if (part.kind === "symbol") return part.from[kind];
  return (
    part.kind === kind ||
    (part.kind !== "literal" && part.kind !== "null" && part.kind !== "tenant" && part.kind !== "context")
  );
}

function foreignOperator(expression: unknown): string | undefined {
  const name = (expression as { name?: readonly Node[] }).name;
  const [schema, ...rest] = words(name);
  return rest.length > 0 && schema !== "pg_catalog" ? `the operator ${words(name).join(".")}` : undefined;
}

/** The same for two nodes that say the same. */
export function keyOf(node: Node): string {
  return JSON.stringify(node, (key, value: unknown) =>
    key === "location" || key.startsWith("list_") ? undefined : value,
  );
}

/** As a person may recognise it. */
export function shown(node: Node): string {
  const columns = findAll(node, "ColumnRef").map((ref) => words((ref as { fields?: Node[] }).fields).join("."));
  const calls = findAll(node, "FuncCall").map((ref) => `${words((ref as { funcname?: Node[] }).funcname).join(".")}()`);
  const operators = findAll(node, "A_Expr").map((ref) => words((ref as { name?: Node[] }).name).join("."));
  const said = [...calls, ...operators, ...columns].filter((text) => text !== "").slice(0, 4);
  return said.length === 0 ? "an expression" : `an expression of ${[...new Set(said)].join(", ")}`;
}
