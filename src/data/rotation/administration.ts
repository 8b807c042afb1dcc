import { type Actor, actorName, actorTenant, PLATFORM_TENANT, RingwallError, type TenantId } from "../../core/index.ts";
import { KEY_KEEPER, type KeyPurpose } from "../keys/index.ts";
import { allJobs, jobsOf, type KeyJob, type RotationParts } from "./jobs.ts";
import { countElsewhere, openMasterJob } from "./master-keys.ts";
import { openRowsJob } from "./rows.ts";
import { isRotatable, type KeyAge, keyAges } from "./schedule.ts";
import { LIST_ALL_KEYS, LIST_KEYS } from "./statements.ts";

const TENANTS_PAGE = 200;

/** Who asks, and about whose keys: without a tenant about everybody's, which the platform and the operator may. */
export interface KeyScope {
  readonly actor: Actor;
  readonly tenant?: TenantId | undefined;
}

/** What people do with keys: look at their ages, replace them, follow the work. */
export interface KeyAdministration {
  /** `elsewhere` is null for a tenant: how many keys there are is the platform's to know. */
  master(scope: KeyScope): Promise<{ readonly id: string; readonly elsewhere: number | null }>;
  /** @param after - The tenant after which the list goes on. */
  ages(scope: KeyScope, after?: TenantId): Promise<readonly KeyAge[]>;
  jobs(scope: KeyScope): Promise<readonly KeyJob[]>;
  /** Makes the next version, and opens the job that wraps row keys under it. @throws RingwallError `resource.not_found` */
  rotate(
    scope: KeyScope,
    purpose: string,
  ): Promise<{
    readonly tenant: TenantId;
    readonly purpose: string;
    readonly version: number;
    readonly job: KeyJob | undefined;
  }>;
  /** Opens a rewrapping job by itself; for rows retired versions are taken back into use first. */
  rewrap(scope: KeyScope, what: "master" | "rows"): Promise<KeyJob>;
}

/** @param wake - Tells the scheduler that there is work. */
export function createKeyAdministration(parts: RotationParts, wake: () => void): KeyAdministration {
  const { clock, keys, recorder, worker } = parts;
  return {
    async master({ actor, tenant }) {
      const isPlatforms = tenant === undefined || actorTenant(actor) === PLATFORM_TENANT || actor.type === "system";
      return { id: keys.masterId, elsewhere: isPlatforms ? await countElsewhere(parts) : null };
    },
    async ages({ actor, tenant }, after) {
      const rows =
        tenant === undefined
          ? await worker.once(PLATFORM_TENANT, KEY_KEEPER, LIST_ALL_KEYS, [after ?? "", TENANTS_PAGE])
          : await worker.once(tenant, actingIn(tenant, actor), LIST_KEYS);
      return keyAges(rows, clock());
    },
    async jobs({ actor, tenant }) {
      if (tenant === undefined) return await allJobs(worker, { open: false });
      return await jobsOf(worker, tenant, actingIn(tenant, actor));
    },
    async rotate({ actor, tenant = PLATFORM_TENANT }, purpose) {
      if (!isRotatable(tenant, purpose)) throw new RingwallError("resource.not_found", { detail: { tenant } });
      // isRotatable has found it among the purposes.
      const version = await keys.rotate(tenant, purpose as KeyPurpose, actingIn(tenant, actor));
      noteForPlatform({ actor, tenant, action: "key.rotated", key: purpose });
      const job = purpose === "data" ? await openRowsJob(parts, tenant) : undefined;
      if (job !== undefined) wake();
      return { tenant, purpose, version, job };
    },
    async rewrap({ actor, tenant }, what) {
      const isPlatforms = actor.type === "system" || actorTenant(actor) === PLATFORM_TENANT;
      if (what === "master" && !isPlatforms) throw new RingwallError("resource.not_found");
      const job =
        what === "master"
          ? await openMasterJob(parts)
          : await openRowsJob(parts, tenant ?? PLATFORM_TENANT, { revive: true });
      noteForPlatform({ actor, tenant: job.tenant, action: "key.rewrapped", key: what });
      wake();
      return job;
    },
  };

  /** Who of the platform asked for what in a tenant that is not theirs: the tenant's own record names the capability. */
  function noteForPlatform(asked: {
    readonly actor: Actor;
    readonly tenant: TenantId;
    readonly action: "key.rotated" | "key.rewrapped";
    readonly key: string;
  }): void {
    const { action, actor, key, tenant } = asked;
    recorder.note({
      action,
      outcome: "success",
      tenant: actorTenant(actor) ?? PLATFORM_TENANT,
      actor,
      targets: [
        { type: "tenant", id: tenant },
        { type: "key", id: key },
      ],
      facts: { asked_by: actorName(actor) },
    });
  }
}

/** Another tenant's keys are reached as the named capability and as nobody's person. */
function actingIn(tenant: TenantId, actor: Actor): Actor {
  return actorTenant(actor) === tenant ? actor : KEY_KEEPER;
}
