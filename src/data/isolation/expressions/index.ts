/**
 * What a policy's expression implies.
 *
 * Reads an expression as `pg_get_expr` prints it under an empty search_path, where every name that is not PostgreSQL's
 * own is qualified, and decides whether it can be true for a row that is not the context's. Guards the verdict: the
 * answer "implies" is given only when no case is left. Whatever was not understood is taken to have any value.
 *
 * Limits: lengths, depth, functions that are followed and steps of the search are bounded, and past a bound the answer
 * is "unknown". A functional dependency that only data or a constraint knows is not seen.
 *
 * @module
 */

export { settingName } from "./calls.ts";
export {
  all,
  any,
  type Condition,
  caseProver,
  type Decision,
  FALSE,
  notUnderstood,
  type Prover,
  type Question,
  TRUE,
} from "./cases/index.ts";
export { procedure } from "./functions.ts";
export { findAll, loadParser, parseExpression, parseProcedure, parseStatements, words } from "./parse.ts";
export { policyScope, readings, readPolicy } from "./read.ts";
export type { Scope } from "./scope.ts";
export type { ColumnType, FunctionSource, Link, Surroundings } from "./surroundings.ts";
