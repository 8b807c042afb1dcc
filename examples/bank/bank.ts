import type { Ringwall } from "ringwall";
import type { PostgresDatabase } from "ringwall/adapters/postgres";
import { isAdministrator, type Principal, type Resource, requirePermission } from "ringwall/application/access";
import type { VelocityLimit } from "ringwall/application/input";
import { type Clock, RingwallError, type TenantId, type UserId } from "ringwall/core";

/** What one customer may do in a while. */
export interface BankLimits {
  readonly transfers: Omit<VelocityLimit, "scope">;
}

/** What the bank allows unless its operator says otherwise: in minor units, what one customer moves in an hour. */
export const BANK_LIMITS: BankLimits = { transfers: { windowSeconds: 3_600, sumMax: 5_000_000n, countMax: 60 } };

/** What the bank's routes stand on. */
export interface Bank {
  readonly ringwall: Pick<Ringwall, "fields" | "guard" | "identity" | "recorder">;
  /** The bank's own login, which owns nothing and reaches its tables through the tenant's wall alone. */
  readonly database: PostgresDatabase;
  readonly clock: Clock;
  /** Where Ringwall's server is reached: invitations lead there. */
  readonly publicOrigin: string;
  /** `BANK_LIMITS` when left out. */
  readonly limits?: BankLimits;
  /** True while the process ends. */
  readonly draining: () => boolean;
}

/** Whose a row is. */
export interface Owned {
  readonly tenant_id: string;
  readonly owner_id: string;
}

/** A row as the decision sees it. Its tenant is the row's own, not the principal's. */
export function resourceOf({ owner_id, tenant_id }: Owned): Resource {
  return { tenant: tenant_id as TenantId, owner: owner_id as UserId };
}

/**
 * The bank's own rule, narrower than the tenant's: a customer sees what is theirs, staff what is the bank's. Whatever
 * is not to be seen answers exactly as what is not there.
 */
export function requireVisible(principal: Principal, row: Owned): void {
  requirePermission(principal, "resource:read", resourceOf(row));
  if (isAdministrator(principal.role) || principal.user === row.owner_id) return;
  throw new RingwallError("resource.not_found", { detail: { rule: "bank.own_or_staff" } });
}

/** Minor units as JSON has them. Every balance the bank can hold is far below 2^53. */
export function minorUnits(value: bigint): number {
  const number = Number(value);
  if (!Number.isSafeInteger(number)) throw new RingwallError("internal", { detail: { what: "balance beyond 2^53" } });
  return number;
}
