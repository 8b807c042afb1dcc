/**
 * What a database's policies and functions do, put together from the catalog; what several checks and the verdicts need.
 *
 * @module
 */

export { type BodyFacts, bodyFacts } from "./bodies.ts";
export { type Analysis, analysisOf, type Clause, type Command, type Passage } from "./passages.ts";
export { parametersOf } from "./surroundings.ts";
