import {
  assert,
  type ErrorDetail,
  isTenantId,
  PLATFORM_TENANT,
  RingwallError,
  type SystemActor,
  statement,
  type TenantId,
  tenantId,
} from "../../core/index.ts";
import { type Principal, requirePermission } from "../access/index.ts";
import { normaliseEmail } from "./credentials/index.ts";
import { type IssuedLink, ownerExists, prepareLink } from "./links.ts";
import type { Parts } from "./parts.ts";

/** Who may keep the register of tenants: an operator of the platform, or a named capability of the product. */
export type TenantAuthority = Principal | (SystemActor & { readonly capability: TenantCapability });
type TenantCapability = "tenants.create" | "development.seed" | "attack.setup";

const INSERT = statement<{ tenant_id: string }>(
  "identity.tenant_insert",
  `insert into ringwall.tenant (tenant_id, name) values ($1, $2) on conflict (tenant_id) do nothing returning tenant_id`,
);

const SET_STATUS = statement<{ tenant_id: string }>(
  "identity.tenant_set_status",
  `update ringwall.tenant set status = $2 where tenant_id = $1 and status <> $2 returning tenant_id`,
);

/** The longest page of the register. */
const LIST_MAX = 200;

const LIST = statement<{ tenant_id: string; name: string; status: string; created_ms: number }>(
  "identity.tenant_list",
  `select tenant_id, name, status, round(extract(epoch from created_at) * 1000)::float8 as created_ms
   from ringwall.tenant where tenant_id > $1 order by tenant_id limit $2`,
);

/** An entry of the register. It holds nothing of what is the tenant's own. */
export interface TenantView {
  readonly id: TenantId;
  readonly name: string;
  readonly status: "active" | "suspended";
  readonly createdMs: number;
}

/** The register by id, a page at a time: pass the last id seen to get the next page. @throws RingwallError `access.denied` */
export async function listTenants(parts: Parts, by: TenantAuthority, after = ""): Promise<TenantView[]> {
  requireAuthority(by);
  const rows = await parts.database.once(PLATFORM_TENANT, by, LIST, [after, LIST_MAX]);
  return rows.map(({ tenant_id: id, name, status, created_ms: createdMs }) => {
    assert(isTenantId(id) && (status === "active" || status === "suspended"), "a tenant's row has its forms");
    return { id, name, status, createdMs };
  });
}

/** @throws RingwallError `resource.not_found`. A suspended tenant is there. */
export async function requireTenant(parts: Parts, id: TenantId): Promise<void> {
  const found = await parts.database.lookup<{ status: string }>("tenant_by_id", [id]);
  if (found === undefined) throw new RingwallError("resource.not_found");
}

function requireAuthority(by: TenantAuthority): void {
  if (by.type === "system") return;
  // Every tenant's owner holds `tenant:manage`; only the platform's tenant keeps the register.
  requirePermission(by, "tenant:manage");
  if (by.tenant !== PLATFORM_TENANT) throw new RingwallError("access.denied", { detail: { rule: "tenant.register" } });
}

/** Enters a new tenant. @throws RingwallError `resource.conflict` when the id is taken, `access.denied` */
export async function createTenant(
  parts: Parts,
  by: TenantAuthority,
  wanted: { readonly id: string; readonly name: string },
): Promise<TenantId> {
  requireAuthority(by);
  const id = tenantId(wanted.id);
  await parts.database.forTenant(PLATFORM_TENANT, by, async (tx) => {
    const [row] = await tx.run(INSERT, [id, wanted.name]);
    if (row === undefined) throw new RingwallError("resource.conflict", { detail: { reason: "tenant exists" } });
    const targets = [{ type: "tenant", id }];
    const tenant = PLATFORM_TENANT;
    await parts.recorder.record(tx, { action: "tenant.created", outcome: "success", tenant, actor: by, targets });
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
  await requireTenant(parts, tenant);
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
  await setStatus(parts, by, id, "suspended");
}

/** Lets a suspended tenant in again. Sessions that are not over by then work again. */
export async function resumeTenant(parts: Parts, by: TenantAuthority, id: TenantId): Promise<void> {
  await setStatus(parts, by, id, "active");
}

async function setStatus(
  parts: Parts,
  by: TenantAuthority,
  id: TenantId,
  status: "active" | "suspended",
): Promise<void> {
  requireAuthority(by);
  if (id === PLATFORM_TENANT) throw new RingwallError("resource.conflict", { detail: { reason: "platform" } });
  await requireTenant(parts, id);
  await parts.database.forTenant(PLATFORM_TENANT, by, async (tx) => {
    const [row] = await tx.run(SET_STATUS, [id, status]);
    if (row === undefined) return;
    tx.invalidate({ kind: "tenant", tenant: id, id });
    const targets = [{ type: "tenant", id }];
    const action = status === "suspended" ? "tenant.suspended" : "tenant.resumed";
    await parts.recorder.record(tx, { action, outcome: "success", tenant: PLATFORM_TENANT, actor: by, targets });
  });
  parts.cache.forget({ kind: "tenant", tenant: id, id });
}
