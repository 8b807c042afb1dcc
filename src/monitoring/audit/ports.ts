import type { TenantId } from "../../core/index.ts";
import type { SignedHead } from "./heads.ts";

/**
 * Seals the personal part of an audit record under the tenant's audit key, with tenant and event id as associated data.
 * Synchronous while the key is warm: sealing sits on the path of every recorded act.
 */
export interface DetailSealer {
  seal(tenant: TenantId, eventId: string, detail: Buffer): Buffer | Promise<Buffer>;
  /** @throws RingwallError `keys.decrypt_failed` when it was not sealed for this tenant and event. */
  open(tenant: TenantId, eventId: string, sealed: Buffer): Buffer | Promise<Buffer>;
}

/** Where copies of signed heads live outside the database: a folder, later an object store with a lock or a witness. */
export interface HeadStore {
  /** Durable when it returns. Sizes of one tenant never go down; heads that are there already may come again. */
  append(heads: readonly SignedHead[]): Promise<void>;
  /** The newest copy of one tenant. */
  last(tenant: TenantId): Promise<SignedHead | undefined>;
  /** Every copy of one tenant, oldest first. */
  read(tenant: TenantId): AsyncIterable<SignedHead>;
  /** Every tenant that has a copy. A tenant whose rows were all removed from the database is still named here. */
  tenants(): AsyncIterable<TenantId>;
}
