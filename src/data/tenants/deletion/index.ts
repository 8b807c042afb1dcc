/**
 * A tenant's end: planned, undone as long as it has not begun, and carried out in steps that can each be done again.
 *
 * Guards: keys go before rows, rows go behind the tenant's own wall, the id is never given again. A process that is killed
 * leaves a tenant that is refused, and that the next round of any process goes on with.
 *
 * @module
 */
export { type DeletionRequest, type TenantDeletions, tenantDeletions } from "./plan.ts";
export { type DeletionRunner, deletionRunner } from "./run.ts";
