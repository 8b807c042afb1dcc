import { statement, type Transaction, tenantKey, tenantLockNumber } from "../../core/index.ts";

const LOCK = statement("tenants.lock", "select from (select pg_catalog.pg_advisory_xact_lock($1::bigint)) l");

/**
 * Waits until no other transaction holds the lock of this name in this tenant, and holds it until this one ends. Two
 * tenants do not wait for each other.
 * @example await tenantLock(tx, "invoice-number", String(year));
 */
export async function tenantLock(tx: Transaction, purpose: string, ...parts: readonly string[]): Promise<void> {
  await tx.run(LOCK, [tenantLockNumber(tenantKey(tx.tenant, purpose, ...parts))]);
}
