import {
  type Actor,
  type AuditAction,
  assert,
  type ErrorDetail,
  isoTime,
  isUuid,
  RingwallError,
  type SystemActor,
  statement,
  type TenantId,
  type Transaction,
  type UserId,
} from "../../core/index.ts";
import { isRole, type Principal, type Role, requirePermission, roleCovers } from "../access/index.ts";
import { normaliseEmail } from "./credentials/index.ts";
import { type IssuedLink, prepareLink, withdrawLinks } from "./links.ts";
import type { Parts } from "./parts.ts";
import { endUserLogins } from "./second-factor.ts";
import { forgetUser, revokeUserSessions } from "./sessions.ts";

const LIST_MAX = 200;
const UUID_ZERO = "00000000-0000-0000-0000-000000000000";

interface UserRow {
  readonly user_id: string;
  readonly email: string;
  readonly name: string;
  readonly role: string;
  readonly status: string;
  readonly enrolled: boolean;
}

const LIST = statement<UserRow>(
  "identity.user_list",
  `select u.user_id, u.email, u.name, u.role, u.status, f.user_id is not null as enrolled
   from ringwall.user_account u
     left join ringwall.totp_factor f on f.tenant_id = u.tenant_id and f.user_id = u.user_id
   where u.user_id > $1::uuid order by u.user_id limit $2`,
);

const READ = statement<UserRow>(
  "identity.user_read",
  `select u.user_id, u.email, u.name, u.role, u.status, f.user_id is not null as enrolled
   from ringwall.user_account u
     left join ringwall.totp_factor f on f.tenant_id = u.tenant_id and f.user_id = u.user_id
   where u.user_id = $1::uuid`,
);

const LOCK = statement<{ user_id: string; role: string; status: string }>(
  "identity.user_lock",
  "select user_id, role, status from ringwall.user_account where user_id = $1::uuid for update",
);

// In one order, so that two acts on owners wait for each other instead of both finding the other one still there.
const LOCK_OWNERS = statement<{ user_id: string }>(
  "identity.owners_lock",
  `select user_id from ringwall.user_account where role = 'owner' and status = 'active' order by user_id for update`,
);

const ADDRESS_TAKEN = statement<{ user_id: string }>(
  "identity.address_taken",
  "select user_id from ringwall.user_account where email = $1",
);

const SET_ROLE = statement(
  "identity.user_set_role",
  "update ringwall.user_account set role = $2 where user_id = $1::uuid",
);

const SET_STATUS = statement(
  "identity.user_set_status",
  "update ringwall.user_account set status = $2 where user_id = $1::uuid",
);

const LIST_INVITATIONS = statement<{
  email: string;
  role: string;
  created_by: string | null;
  created_ms: number;
  expires_ms: number;
}>(
  "identity.invitation_list",
  `select subject as email, role, created_by, extract(epoch from created_at)::float8 * 1000 as created_ms,
     extract(epoch from expires_at)::float8 * 1000 as expires_ms
   from ringwall.link
   where kind = 'invitation' and used_at is null and expires_at > $1::timestamptz and subject > $2
   order by subject limit $3`,
);

const WITHDRAW_INVITATION = statement<{ role: string }>(
  "identity.invitation_withdraw",
  "delete from ringwall.link where kind = 'invitation' and subject = $1 and used_at is null returning role",
);

/** A person of the tenant, as colleagues see them. */
export interface UserView {
  readonly user: UserId;
  readonly email: string;
  readonly name: string;
  readonly role: Role;
  readonly status: "active" | "disabled";
  readonly secondFactor: boolean;
}

/** The tenant's people, by id, a page at a time: pass the last id seen to get the next page. */
export async function listUsers(parts: Parts, principal: Principal, after: string = UUID_ZERO): Promise<UserView[]> {
  requirePermission(principal, "user:read");
  if (!isUuid(after)) throw new RingwallError("request.invalid", { detail: { field: "after" } });
  const rows = await parts.database.once(principal.tenant, principal, LIST, [after, LIST_MAX]);
  return rows.map(view);
}

/** @throws RingwallError `resource.not_found` for somebody who is not there, or is another tenant's. */
export async function readUser(parts: Parts, principal: Principal, user: string): Promise<UserView> {
  requirePermission(principal, "user:read");
  const [row] = isUuid(user) ? await parts.database.once(principal.tenant, principal, READ, [user]) : [];
  if (row === undefined) throw new RingwallError("resource.not_found");
  return view(row);
}

function view(row: UserRow): UserView {
  const { role, status } = row;
  assert(isRole(role) && (status === "active" || status === "disabled"), "a user's row has its forms");
  const { email, name, enrolled: secondFactor } = row;
  return { user: row.user_id as UserId, email, name, role, status, secondFactor };
}

/**
 * Invites somebody. Only roles whose permissions the inviter holds can be offered, so no administrator makes an owner.
 * Inviting the same address again kills the link before.
 *
 * @throws RingwallError `access.denied`, or `resource.conflict` when the address has an account in this tenant.
 */
export async function inviteUser(
  parts: Parts,
  principal: Principal,
  invited: { readonly email: string; readonly role: Role },
): Promise<IssuedLink> {
  requirePermission(principal, "admin:users");
  requireCovers(principal, invited.role);
  const { tenant, user } = principal;
  return await writeInvitation(parts, { tenant, actor: principal, createdBy: user }, invited);
}

async function writeInvitation(
  parts: Parts,
  by: { readonly tenant: TenantId; readonly actor: Actor; readonly createdBy: UserId },
  invited: { readonly email: string; readonly role: Role },
): Promise<IssuedLink> {
  const { actor, createdBy, tenant } = by;
  const email = normaliseEmail(invited.email);
  const { role } = invited;
  const seconds = parts.config.links.invitationSeconds;
  const link = await prepareLink(parts, { kind: "invitation", subject: email, role, createdBy, seconds });
  await parts.database.forTenant(tenant, actor, async (tx) => {
    const [taken] = await tx.run(ADDRESS_TAKEN, [email]);
    if (taken !== undefined) throw new RingwallError("resource.conflict", { detail: { reason: "address taken" } });
    await link.write(tx);
    const facts = { role };
    const personal = { email };
    await parts.recorder.record(tx, { action: "user.invited", outcome: "success", tenant, actor, facts, personal });
  });
  return link.issued;
}

// `created_by` of an invitation that the machine's operator made. RFC 9562, section 5.9: nobody's id. Not null, which
// stands for a link that is good only while its tenant has no owner.
const LOCAL_OPERATOR = UUID_ZERO as UserId;
const LOCAL_INVITER: SystemActor = { type: "system", capability: "users.invite" };

/**
 * Invites somebody for the machine's own operator, who names the tenant. An owner cannot be invited so: owners are made
 * by owners, and the first one by `inviteFirstOwner`. The tenant's own audit shows it.
 *
 * @throws RingwallError `access.denied` for an owner, `resource.conflict` when the address has an account there.
 */
export async function inviteLocally(
  parts: Parts,
  tenant: TenantId,
  invited: { readonly email: string; readonly role: Role },
): Promise<IssuedLink> {
  if (invited.role === "owner") throw new RingwallError("access.denied", { detail: { rule: "role.covers" } });
  return await writeInvitation(parts, { tenant, actor: LOCAL_INVITER, createdBy: LOCAL_OPERATOR }, invited);
}

/** Somebody who was invited and has not come yet. */
export interface InvitationView {
  readonly email: string;
  readonly role: Role;
  /** Undefined when it was the machine's operator or the platform. */
  readonly invitedBy: UserId | undefined;
  readonly createdMs: number;
  readonly expiresMs: number;
}

/** Invitations that can still be used, by address, a page at a time: pass the last address seen to get the next page. */
export async function listInvitations(parts: Parts, principal: Principal, after = ""): Promise<InvitationView[]> {
  requirePermission(principal, "admin:users");
  const values = [isoTime(parts.clock()), after, LIST_MAX];
  const rows = await parts.database.once(principal.tenant, principal, LIST_INVITATIONS, values);
  return rows.map(({ created_by: by, created_ms: createdMs, email, expires_ms: expiresMs, role }) => {
    assert(isRole(role), "an invitation names a role");
    const invitedBy = by === null || by === LOCAL_OPERATOR ? undefined : (by as UserId);
    return { email, role, invitedBy, createdMs, expiresMs };
  });
}

/**
 * Takes an invitation back: its link is worth nothing from then on. Nobody takes back what they could not have offered.
 * @throws RingwallError `resource.not_found` for an address that was not invited or has come already, `access.denied`
 */
export async function withdrawInvitation(parts: Parts, principal: Principal, address: string): Promise<void> {
  requirePermission(principal, "admin:users");
  const { tenant } = principal;
  const email = normaliseEmail(address);
  await parts.database.forTenant(tenant, principal, async (tx) => {
    const [row] = await tx.run(WITHDRAW_INVITATION, [email]);
    if (row === undefined) throw new RingwallError("resource.not_found");
    assert(isRole(row.role), "an invitation names a role");
    // After the deletion, which has the row to itself; a refusal takes it back.
    requireCovers(principal, row.role);
    await parts.recorder.record(tx, {
      action: "user.invitation_withdrawn",
      outcome: "success",
      tenant,
      actor: principal,
      facts: { role: row.role },
      personal: { email },
    });
  });
}

/** Somebody an administrator acts on, locked until the act commits. */
export interface Target {
  readonly user: UserId;
  readonly role: Role;
  readonly status: string;
}

/**
 * Locks the person an act is about and makes sure the actor may: never on somebody with more permissions.
 * @throws RingwallError `resource.not_found`, `access.denied`
 */
export async function lockTarget(tx: Transaction, principal: Principal, user: string): Promise<Target> {
  const [row] = isUuid(user) ? await tx.run(LOCK, [user]) : [];
  if (row === undefined) throw new RingwallError("resource.not_found");
  assert(isRole(row.role), "a user's row has its forms");
  requireCovers(principal, row.role);
  return { user: row.user_id as UserId, role: row.role, status: row.status };
}

function requireCovers(principal: Principal, role: Role): void {
  if (roleCovers(principal.role, role)) return;
  throw new RingwallError("access.denied", { detail: { rule: "role.covers", role } });
}

async function requireAnotherOwner(owners: readonly { readonly user_id: string }[], target: Target): Promise<void> {
  if (target.role !== "owner" || target.status !== "active") return;
  if (owners.some((owner) => owner.user_id !== target.user)) return;
  throw new RingwallError("resource.conflict", { message: "The last owner must stay one." });
}

/**
 * Gives somebody another role. Holds at once: the next request of theirs is decided with it, and a session that the
 * new role would not allow (no second factor, too old) is not accepted any more.
 */
export async function changeRole(parts: Parts, principal: Principal, user: string, role: Role): Promise<void> {
  requirePermission(principal, "admin:users");
  requireCovers(principal, role);
  const target = await parts.database.forTenant(principal.tenant, principal, async (tx) => {
    const owners = await tx.run(LOCK_OWNERS, []);
    const found = await lockTarget(tx, principal, user);
    if (found.role === role) return found;
    if (role !== "owner") await requireAnotherOwner(owners, found);
    await tx.run(SET_ROLE, [found.user, role]);
    // A link made for or by the old role must not act with, or on, the new one.
    await withdrawLinks(tx, found.user);
    tx.invalidate({ kind: "user", tenant: principal.tenant, id: found.user });
    await record(parts, tx, principal, "user.role_changed", found, { from: found.role, to: role });
    return found;
  });
  forgetUser(parts, principal.tenant, target.user);
}

/** Disables an account: its sessions, sign-ins under way and links end with it. */
export async function disableUser(parts: Parts, principal: Principal, user: string): Promise<void> {
  requirePermission(principal, "admin:users");
  const target = await parts.database.forTenant(principal.tenant, principal, async (tx) => {
    const owners = await tx.run(LOCK_OWNERS, []);
    const found = await lockTarget(tx, principal, user);
    if (found.status === "disabled") return found;
    await requireAnotherOwner(owners, found);
    await tx.run(SET_STATUS, [found.user, "disabled"]);
    await revokeUserSessions(parts, tx, found.user);
    await endUserLogins(parts, tx, found.user);
    await withdrawLinks(tx, found.user);
    await record(parts, tx, principal, "user.disabled", found, {});
    return found;
  });
  forgetUser(parts, principal.tenant, target.user);
}

/** Lets a disabled account sign in again. Nothing that ended with it comes back. */
export async function enableUser(parts: Parts, principal: Principal, user: string): Promise<void> {
  requirePermission(principal, "admin:users");
  await parts.database.forTenant(principal.tenant, principal, async (tx) => {
    const found = await lockTarget(tx, principal, user);
    if (found.status === "active") return;
    await tx.run(SET_STATUS, [found.user, "active"]);
    await record(parts, tx, principal, "user.enabled", found, {});
  });
}

async function record(
  parts: Parts,
  tx: Transaction,
  principal: Principal,
  action: AuditAction,
  target: Target,
  facts: ErrorDetail,
): Promise<void> {
  const { tenant } = principal;
  const targets = [{ type: "user", id: target.user }];
  await parts.recorder.record(tx, { action, outcome: "success", tenant, actor: principal, targets, facts });
}
