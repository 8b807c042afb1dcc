import type { SelectStmt } from "libpg-query";
import { type Condition, notUnderstood } from "./cases/index.ts";
import { condition } from "./conditions.ts";
import { findAll, parseExpression } from "./parse.ts";
import { type Relation, type Scope, symbol } from "./scope.ts";
import { rows } from "./subqueries.ts";
import type { Surroundings } from "./surroundings.ts";
import { term } from "./terms.ts";

/** An expression as `pg_get_expr` prints it. */
export type PolicyText = string;

/** Reads a policy's expression; one that cannot be parsed may have any value. */
export function readPolicy(text: PolicyText, scope: Scope): Condition {
  const parsed = parseExpression(text);
  if ("refused" in parsed) return notUnderstood(`policy ${scope.course.next}`, parsed.refused);
  return condition(parsed.tree, scope);
}

/** The scope of a policy on `table` (`schema.name`). */
export function policyScope(surroundings: Surroundings, table: string): Scope {
  const name = table.slice(table.indexOf(".") + 1);
  return {
    surroundings,
    relations: new Map([[name, { table, prefix: "row", role: "judged", nullable: false }]]),
    outer: undefined,
    parameters: new Map(),
    inlined: 0,
    qualified: true,
    read: { term, condition },
    course: { next: 0, calledUnknown: undefined },
  };
}

/**
 * Under what condition a SELECT shows rows of `table`, as in a view or in the body of a function: once for each place
 * where it reads it. A read in a subquery of one that reads rows, or in a statement that is put together from others, is not followed and
 * holds always.
 */
export function readings(
  select: SelectStmt,
  table: string,
  surroundings: Surroundings,
  parameters: readonly string[] = [],
): readonly Condition[] {
  const scope = {
    ...policyScope(surroundings, table),
    relations: new Map<string, Relation>(),
    qualified: false,
    // Whoever calls the function chooses them.
    parameters: new Map(
      parameters.flatMap((name, index) =>
        [name, String(index + 1)].map((key) => [key, symbol(`parameter ${index}`, `the argument ${name}`)] as const),
      ),
    ),
  };
  const unclear = [notUnderstood(`read of ${table}`, `how a statement reads ${table}`)];
  if (mentionsOf(select, table) === 0) return [];
  const parts = halves(select);
  if (parts === undefined) return unclear;
  return parts.flatMap((part) => {
    const places = mentionsOf(part, table);
    if (places === 0) return [];
    const found = rows(part, scope, table);
    if (typeof found === "string" || places > 1) return unclear;
    // A read further inside has conditions of its own, which do not say what this one shows.
    return [...found.scope.relations.values()].some(({ role }) => role === "judged") ? [found.where] : unclear;
  });
}

/** The SELECTs that a set operation is made of, and those inside of an expression that reads nothing else. */
function halves(select: SelectStmt): readonly SelectStmt[] | undefined {
  if (isExpression(select)) {
    const inside = subselects(select).map(halves);
    return inside.some((each) => each === undefined) ? undefined : inside.flatMap((each) => each ?? []);
  }
  if (select.op === undefined || select.op === "SETOP_NONE") return [select];
  if (select.withClause !== undefined || select.larg === undefined || select.rarg === undefined) return undefined;
  const [left, right] = [halves(select.larg), halves(select.rarg)];
  return left === undefined || right === undefined ? undefined : [...left, ...right];
}

/** A SELECT that reads nothing itself: `select exists (...)`. What its subqueries read is then all that it shows. */
function isExpression(select: SelectStmt): boolean {
  const { op, targetList } = select;
  const plain = Object.keys(select).every((key) => key === "targetList" || key === "limitOption" || key === "op");
  return plain && targetList !== undefined && (op === undefined || op === "SETOP_NONE");
}

/** The outermost subqueries of an expression. */
function subselects(select: SelectStmt): readonly SelectStmt[] {
  const waiting: unknown[] = [select.targetList];
  const found: SelectStmt[] = [];
  for (let value = waiting.pop(); value !== undefined; value = waiting.pop()) {
    if (typeof value !== "object" || value === null) continue;
    for (const [key, child] of Object.entries(value)) {
      if (key === "SelectStmt") found.push(child as SelectStmt);
      else waiting.push(child);
    }
  }
  return found;
}

function mentionsOf(tree: unknown, table: string): number {
  return findAll(tree, "RangeVar").filter((found) => {
    const { schemaname, relname } = found as { schemaname?: string; relname?: string };
    const name = table.slice(table.indexOf(".") + 1);
    return relname === name && (schemaname === undefined || `${schemaname}.${name}` === table);
  }).length;
}
