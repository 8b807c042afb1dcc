/**
 * Conditions, and whether one of them lets only the context's rows through: decided by going through the cases.
 *
 * @module
 */
export {
  all,
  any,
  type Branch,
  type Comparison,
  type Condition,
  type Doubt,
  FALSE,
  notUnderstood,
  type Symbol,
  type Term,
  TRUE,
} from "./condition.ts";
export { caseProver, type Decision, type Prover, type Question } from "./decide.ts";
