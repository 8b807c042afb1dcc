/**
 * Layer 4, tenants: who they are, and the proof that a transaction belongs to one of them.
 *
 * Guards: a context is signed for one tenant, one database backend and at most 30 seconds; PostgreSQL verifies it by
 * itself in every policy, so a host application that can set any setting still reaches no other tenant's rows. The
 * register says which tenants there are, in which environment, and who may act; test and live data are two tenants, and an
 * installation serves the environments that it names. A tenant's end is planned, can be undone for some days, and then
 * destroys its keys before its rows; its id is never given again.
 *
 * Does not guard against whoever holds the context key or is the database's superuser. Who may create, suspend or delete
 * is the caller's to check.
 *
 * Limits: tenant ids of 3 to 50 characters; contexts of 30 s; settings with 8 kB of the application's own; rows deleted
 * 500 at a time, and tables that refer to each other in a circle in one statement. Fails closed: no context is no rows, a
 * malformed, forged or expired one is an error; a tenant that is unknown, not active or of another environment is refused.
 *
 * @module
 */
export { requireOpened } from "./closed.ts";
export {
  CONTEXT_KEY_BYTES,
  CONTEXT_LIFE_MS,
  CONTEXT_LIFE_MS_MAX,
  type ContextKey,
  type ContextSigner,
  contextSigner,
  type ReplaceableSigner,
  replaceableSigner,
} from "./context.ts";
export {
  type DeletionRequest,
  type DeletionRunner,
  deletionRunner,
  type TenantDeletions,
  tenantDeletions,
} from "./deletion/index.ts";
export {
  ENVIRONMENTS,
  type Environment,
  servedDatabase,
  servedEnvironments,
  TenantsConfig,
} from "./environment.ts";
export {
  JOB_LIFE_MS_MAX,
  JOB_PAYLOAD_BYTES_MAX,
  type Job,
  type JobEnvelopes,
  jobEnvelopes,
  type OpenedJob,
} from "./jobs.ts";
export { tenantLock } from "./lock.ts";
export {
  type NewTenant,
  type Tenant,
  type TenantEntry,
  type TenantRegister,
  type TenantStatus,
  tenantRegister,
} from "./register.ts";
export {
  APPLICATION_BYTES_MAX,
  TenantSettings,
  type TenantSettingsStore,
  tenantSettings,
  type VersionedSettings,
} from "./settings.ts";
