import { type Condition, notUnderstood } from "./condition.ts";
import { condition } from "./conditions.ts";
import { parseExpression } from "./parse.ts";
import type { Scope } from "./scope.ts";
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
