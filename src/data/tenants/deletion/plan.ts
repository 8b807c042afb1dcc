import {
  type Actor,
  actorName,
  type Clock,
  type Database,
  isoTime,
  PLATFORM_TENANT,
  type Recorder,
  RingwallError,
  type TenantId,
} from "../../../core/index.ts";
import { PLAN, UNDO } from "../statements.ts";

const DAY_MS = 86_400_000;

/** Which tenant is to be deleted, and why. */
export interface DeletionRequest {
  readonly tenant: TenantId;
  /** 1 to 500 characters; stands in the audit, the order and the certificate, so nothing personal. */
  readonly reason: string;
  /** Without the days in which it can be undone. */
  readonly isNow?: boolean;
}

/** Plans the end of tenants, and takes it back. Who may is the caller's to check. */
export interface TenantDeletions {
  /**
   * The tenant goes on as before until `deletionMs`; then everything begins that `deletionRunner` describes.
   * @throws RingwallError `resource.not_found`; `resource.conflict` when a deletion is planned for as early or has begun,
   * when environments of the tenant are still there, and for the platform's own.
   */
  plan(actor: Actor, request: DeletionRequest): Promise<{ readonly deletionMs: number }>;
  /** @throws RingwallError `resource.conflict` when none is planned, or when it has begun. */
  undo(actor: Actor, tenant: TenantId): Promise<void>;
}

/** What planning stands on. */
export interface DeletionPlanParts {
  readonly database: Database;
  readonly recorder: Recorder;
  readonly clock: Clock;
  readonly graceDays: number;
}

/** Each plan and each undoing commits together with its record in the platform's audit. */
export function tenantDeletions(parts: DeletionPlanParts): TenantDeletions {
  const { clock, database, graceDays, recorder } = parts;

  async function requireKnown(tenant: TenantId): Promise<void> {
    if (tenant === PLATFORM_TENANT) throw new RingwallError("resource.conflict", { detail: { reason: "platform" } });
    const found = await database.lookup("tenant_by_id", [tenant]);
    if (found === undefined) throw new RingwallError("resource.not_found", { detail: { tenant } });
  }

  return {
    async plan(actor, { isNow = false, reason, tenant }) {
      await requireKnown(tenant);
      const deletionMs = clock() + (isNow ? 0 : graceDays * DAY_MS);
      await database.forTenant(PLATFORM_TENANT, actor, async (tx) => {
        const values = [tenant, isoTime(deletionMs), actorName(actor), reason];
        const [row] = await tx.run(PLAN, values);
        if (row === undefined) throw new RingwallError("resource.conflict", { detail: { tenant, what: "deletion" } });
        await recorder.record(tx, {
          action: "tenant.deletion_planned",
          outcome: "success",
          tenant: PLATFORM_TENANT,
          actor,
          targets: [{ type: "tenant", id: tenant }],
          facts: { at: isoTime(deletionMs), now: isNow },
        });
      });
      return { deletionMs };
    },
    async undo(actor, tenant) {
      await requireKnown(tenant);
      await database.forTenant(PLATFORM_TENANT, actor, async (tx) => {
        const [row] = await tx.run(UNDO, [tenant]);
        if (row === undefined) throw new RingwallError("resource.conflict", { detail: { tenant, what: "deletion" } });
        const targets = [{ type: "tenant", id: tenant }];
        const event = { action: "tenant.deletion_undone", outcome: "success", actor, targets } as const;
        await recorder.record(tx, { ...event, tenant: PLATFORM_TENANT });
      });
    },
  };
}
