/**
 * Layer 4, tenants: who they are, and the proof that a transaction belongs to one of them.
 *
 * Guards: a context is signed for one tenant, one database backend and at most 30 seconds; PostgreSQL verifies it by
 * itself in every policy, so a host application that can set any setting still reaches no other tenant's rows. The
 * register says which tenants exist and which are suspended.
 *
 * Does not guard against whoever holds the context key or is the database's superuser.
 *
 * Limits: tenant ids of 3 to 50 characters; contexts of 30 s. Fails closed: no context is no rows, a malformed, forged
 * or expired one is an error, an unknown or suspended tenant is refused.
 *
 * @module
 */
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
export { type Tenant, type TenantRegister, tenantRegister } from "./register.ts";
