import {
  type ErrorDetail,
  PLATFORM_TENANT,
  RingwallError,
  type SystemActor,
  type TenantId,
  tenantId,
} from "../../core/index.ts";
import type { Environment, TenantEntry } from "../../data/tenants/index.ts";
import { type Principal, requirePermission } from "../access/index.ts";
import { normaliseEmail } from "./credentials/index.ts";
import { type IssuedLink, ownerExists, prepareLink } from "./links.ts";
import type { Parts } from "./parts.ts";

/** Who may keep the register of tenants: an operator of the platform, or a named capability of the product. */
export type TenantAuthority = Principal | (SystemActor & { readonly capability: TenantCapability });
type TenantCapability = "tenants.create" | "development.seed" | "attack.setup";

/** What a new tenant is wanted to be; a production tenant unless an environment is named, with its account. */
export interface WantedTenant {
  readonly id: string;
  readonly name: string;
  readonly environment?: Environment | undefined;
  readonly account?: string | undefined;
}

/** The register by id, a page at a time: pass the last id seen to get the next page. @throws RingwallError `access.denied` */
export async function listTenants(parts: Parts, by: TenantAuthority, after = ""): Promise<readonly TenantEntry[]> {
  requireAuthority(by);
  return await parts.register.list(by, after);
}

/** @throws RingwallError `resource.not_found`. A suspended tenant is there, and so is what is left of a deleted one. */
export async function requireTenant(parts: Parts, id: TenantId): Promise<void> {
  await statusOf(parts, id);
}

/** For who is about to write something: nothing is begun in a tenant whose end has begun. */
export async function requireLivingTenant(parts: Parts, id: TenantId): Promise<void> {
  const status = await statusOf(parts, id);
  if (status !== "active" && status !== "suspended") throw new RingwallError("resource.not_found");
}

async function statusOf(parts: Parts, id: TenantId): Promise<string> {
  const found = await parts.database.lookup<{ status: string }>("tenant_by_id", [id]);
  if (found === undefined) throw new RingwallError("resource.not_found");
  return found.status;
}

function requireAuthority(by: TenantAuthority): void {
  if (by.type === "system") return;
  // Every tenant's owner holds `tenant:manage`; only the platform's tenant keeps the register.
  requirePermission(by, "tenant:manage");
  if (by.tenant !== PLATFORM_TENANT) throw new RingwallError("access.denied", { detail: { rule: "tenant.register" } });
}

/**
 * Enters a new tenant. @throws RingwallError `resource.conflict` when the id is taken, or was; `request.invalid` for an
 * account that is no production tenant; `tenant.unavailable` for an environment that is not served here; `access.denied`
 */
export async function createTenant(parts: Parts, by: TenantAuthority, wanted: WantedTenant): Promise<TenantId> {
  requireAuthority(by);
  const { account, environment, name } = wanted;
  const id = tenantId(wanted.id);
  await parts.register.create(by, {
    id,
    name,
    environment,
    account: account === undefined ? undefined : tenantId(account),
  });
  return id;
}

/**
 * Invites the first owner of a tenant. This is the only act in another tenant that the platform's operators have, it
 * ends once that tenant has an owner, and the tenant's own audit shows it.
 */
export async function inviteFirstOwner(
  parts: Parts,
  by: TenantAuthority,
  tenant: TenantId,
  address: string,
): Promise<IssuedLink> {
  requireAuthority(by);
  const email = normaliseEmail(address);
  const actor: SystemActor = { type: "system", capability: "tenants.create" };
  const seconds = parts.config.links.invitationSeconds;
  await requireLivingTenant(parts, tenant);
  const link = await prepareLink(parts, {
    kind: "invitation",
    subject: email,
    role: "owner",
    createdBy: null,
    seconds,
  });
  const facts: ErrorDetail = { role: "owner", by: by.type === "user" ? by.user : by.capability };
  await parts.database.forTenant(tenant, actor, async (tx) => {
    if (await ownerExists(tx)) throw new RingwallError("resource.conflict", { detail: { reason: "owner exists" } });
    await link.write(tx);
    await parts.recorder.record(tx, {
      action: "user.invited",
      outcome: "success",
      tenant,
      actor,
      facts,
      personal: { email },
    });
  });
  return link.issued;
}

/** Shuts a tenant out: every session of it is refused, on every node within a second. Its rows stay. */
export async function suspendTenant(parts: Parts, by: TenantAuthority, id: TenantId): Promise<void> {
  requireAuthority(by);
  await parts.register.suspend(by, id);
  parts.cache.forget({ kind: "tenant", tenant: id, id });
}

/** Lets a suspended tenant in again. Sessions that are not over by then work again. */
export async function resumeTenant(parts: Parts, by: TenantAuthority, id: TenantId): Promise<void> {
  requireAuthority(by);
  await parts.register.resume(by, id);
  parts.cache.forget({ kind: "tenant", tenant: id, id });
}
