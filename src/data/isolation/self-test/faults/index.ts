/**
 * Layer 4, isolation, the faults that the self-test plants: each opens one tenant's rows to another in a way of its own.
 *
 * Guards nothing. What no fault stands for is not known to be found.
 *
 * Limits: faults of the rows and the schema; what a pooler leaves behind has to be planted in a pooler, by its tests.
 *
 * @module
 */
export { CONTEXT_FAULTS } from "./contexts.ts";
export { PATH_FAULTS, RIGHT_FAULTS } from "./paths.ts";
export { KEY_FAULTS, ROW_FAULTS } from "./rows.ts";
export { STATIC_FAULTS } from "./static.ts";
