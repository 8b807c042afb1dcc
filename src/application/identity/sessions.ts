import {
  type Actor,
  type AuditAction,
  type AuditEvent,
  assert,
  type ErrorDetail,
  isoTime,
  isTenantId,
  isUuid,
  RingwallError,
  type SessionId,
  type SystemActor,
  statement,
  type TenantId,
  type Transaction,
  type UserId,
  uuidv7,
} from "../../core/index.ts";
import type { TenantSettings } from "../../data/tenants/index.ts";
import {
  isAdministrator,
  isRole,
  type Principal,
  type Role,
  requirePermission,
  roleCovers,
  roleHolds,
} from "../access/index.ts";
import { needsSecondFactor, sessionLife } from "./config.ts";
import { isToken, type MintedToken, tokenDigest } from "./credentials/index.ts";
import { addressPrefix, type Origin, type Parts, type SessionOpened, shownUserAgent } from "./parts.ts";

/** last_seen is written once in this long, not at each request. Idle life can therefore end this much early. */
const LAST_SEEN_MS = 60_000;
/** The longest list of sessions shown. */
const LIST_MAX = 200;
const SWEEP_ONE_IN = 16;
const SWEEP_ROWS = 64;

interface SessionRow {
  readonly tenant_id: string;
  readonly session_id: string;
  readonly user_id: string;
  readonly role: string;
  readonly user_status: string;
  readonly tenant_status: string;
  readonly factor_required: boolean;
  readonly aal: number;
  readonly second_factor_ms: number | null;
  readonly created_ms: number;
  readonly last_seen_ms: number;
  readonly expires_ms: number;
  readonly revoked: boolean;
}

const INSERT = statement(
  "identity.session_insert",
  `insert into ringwall.session (session_id, user_id, token_hash, aal, second_factor_at, created_at, last_seen_at,
     expires_at, address_prefix, user_agent)
   values ($1::uuid, $2::uuid, $3, $4, $5::timestamptz, $6::timestamptz, $7::timestamptz, $8::timestamptz, $9, $10)`,
);

const SWEEP = statement(
  "identity.session_sweep",
  `delete from ringwall.session where (tenant_id, session_id) in (
     select tenant_id, session_id from ringwall.session where expires_at <= $1::timestamptz
     order by expires_at limit $2 for update skip locked)`,
);

// Conditional, so that of two nodes that touch at once one writes, and a revoked session is never written to.
const TOUCH = statement(
  "identity.session_touch",
  `update ringwall.session set last_seen_at = $2::timestamptz
   where session_id = $1::uuid and revoked_at is null and last_seen_at < $2::timestamptz`,
);

const REVOKE = statement<{ user_id: string; created_ms: number; expires_ms: number }>(
  "identity.session_revoke",
  `update ringwall.session set revoked_at = $2::timestamptz, enrolment_seed = null
   where session_id = $1::uuid and revoked_at is null
   returning user_id, round(extract(epoch from created_at) * 1000)::float8 as created_ms,
     round(extract(epoch from expires_at) * 1000)::float8 as expires_ms`,
);

const REVOKE_USER = statement(
  "identity.session_revoke_user",
  `update ringwall.session set revoked_at = $2::timestamptz, enrolment_seed = null
   where user_id = $1::uuid and revoked_at is null`,
);

const OWNER_OF = statement<{ user_id: string; role: string }>(
  "identity.session_owner",
  `select u.user_id, u.role from ringwall.session s
     join ringwall.user_account u on u.tenant_id = s.tenant_id and u.user_id = s.user_id
   where s.session_id = $1::uuid`,
);

const ROLE_OF = statement<{ user_id: string; role: string }>(
  "identity.user_role",
  "select user_id, role from ringwall.user_account where user_id = $1::uuid",
);

interface ListRow {
  readonly session_id: string;
  readonly user_id: string;
  readonly aal: number;
  readonly address_prefix: string | null;
  readonly user_agent: string | null;
  readonly created_ms: number;
  readonly last_seen_ms: number;
  readonly expires_ms: number;
}

const LIST = statement<ListRow>(
  "identity.session_list",
  `select session_id, user_id, aal, address_prefix, user_agent,
     round(extract(epoch from created_at) * 1000)::float8 as created_ms,
     round(extract(epoch from last_seen_at) * 1000)::float8 as last_seen_ms,
     round(extract(epoch from expires_at) * 1000)::float8 as expires_ms
   from ringwall.session
   where user_id = $1::uuid and revoked_at is null and expires_at > $2::timestamptz
   order by last_seen_at desc limit $3`,
);

const LIST_ALL = statement<ListRow>(
  "identity.session_list_all",
  `select session_id, user_id, aal, address_prefix, user_agent,
     round(extract(epoch from created_at) * 1000)::float8 as created_ms,
     round(extract(epoch from last_seen_at) * 1000)::float8 as last_seen_ms,
     round(extract(epoch from expires_at) * 1000)::float8 as expires_ms
   from ringwall.session
   where revoked_at is null and expires_at > $1::timestamptz
   order by last_seen_at desc limit $2`,
);

/** Whoever may use the administration socket of the machine; each use is in the audit of the tenant it was about. */
const LOCAL_SESSIONS: SystemActor = { type: "system", capability: "sessions.manage" };

/** The one answer to a token that is unknown, revoked, expired, or whose user or tenant may not act. */
function signInRequired(reason: string): RingwallError {
  return new RingwallError("identity.sign_in_required", { detail: { reason } });
}

/**
 * The principal behind a bearer token. Answers at once, without a promise, while the session is in this node's cache;
 * reads the database otherwise, and always while the bus is down.
 * @param isUse - False for who only asks whether the session is still good: that keeps no idle one alive.
 * @throws RingwallError `identity.sign_in_required`; the reason is in the detail, for the log alone.
 */
export function authenticate(parts: Parts, token: string, isUse = true): Principal | Promise<Principal> {
  if (!isToken("session", token)) throw signInRequired("form");
  const key = parts.cache.key(token);
  return parts.cache.get(key, parts.clock(), isUse) ?? readSession(parts, token, key, isUse);
}

async function readSession(parts: Parts, token: string, key: string, isUse: boolean): Promise<Principal> {
  const generation = parts.cache.generation;
  const digest = await tokenDigest("session", token, parts.pepper);
  const row = await parts.database.lookup<SessionRow>("session_by_hash", [digest]);
  if (row === undefined) throw signInRequired("unknown");
  assert(isTenantId(row.tenant_id), "a session row has its forms");
  const { settings } = await parts.settings.of(row.tenant_id);
  const nowMs = parts.clock();
  const principal = principalOf(parts, row, nowMs, settings);
  let seenMs = row.last_seen_ms;
  if (isUse && nowMs - seenMs >= LAST_SEEN_MS) {
    await parts.database.once(principal.tenant, principal, TOUCH, [principal.session, isoTime(nowMs)]);
    seenMs = nowMs;
  }
  const lifeEndsMs = endsMs(parts, principal.role, row, settings);
  const goodUntilMs = Math.min(lifeEndsMs, seenMs + LAST_SEEN_MS);
  parts.cache.put(key, { principal, readMs: nowMs, goodUntilMs, endsMs: lifeEndsMs }, generation);
  return principal;
}

/** When the session ends by itself, with the limits of the role that the person has now. */
function endsMs(parts: Parts, role: Role, row: SessionRow, settings: TenantSettings): number {
  const life = sessionLife(parts.config, role, settings);
  return Math.min(row.expires_ms, row.created_ms + life.absoluteMs, row.last_seen_ms + life.idleMs);
}

function principalOf(parts: Parts, row: SessionRow, nowMs: number, settings: TenantSettings): Principal {
  const { tenant_id: tenant, role, aal } = row;
  if (row.revoked) throw signInRequired("revoked");
  if (row.tenant_status !== "active") throw signInRequired("tenant");
  if (row.user_status !== "active") throw signInRequired("user");
  assert(isTenantId(tenant) && isRole(role) && (aal === 1 || aal === 2), "a session row has its forms");
  if (nowMs >= endsMs(parts, role, row, settings)) throw signInRequired("expired");
  // Somebody who was made administrator after signing in with a password alone has to sign in again.
  if (aal === 1 && needsSecondFactor(role, row.factor_required, settings)) throw signInRequired("second_factor");
  return Object.freeze({
    type: "user",
    tenant,
    user: row.user_id as UserId,
    session: row.session_id as SessionId,
    role,
    aal,
    secondFactorMs: row.second_factor_ms ?? undefined,
  } satisfies Principal);
}

/** What a new session is opened with. */
export interface NewSession {
  readonly tenant: TenantId;
  readonly user: UserId;
  readonly role: Role;
  readonly aal: 1 | 2;
  readonly minted: MintedToken;
  readonly origin: Origin;
  readonly action: AuditAction & ("session.created" | "session.stepped_up");
  readonly facts?: ErrorDetail;
  /** Of the session that this one replaces: a change of level does not make a sign-in live longer. */
  readonly life?: { readonly createdMs: number; readonly expiresMs: number };
}

/** Opens a session with a new id and token, in the transaction of the act that earned it. */
export async function openSession(parts: Parts, tx: Transaction, opened: NewSession): Promise<SessionOpened> {
  const { user, role, aal, minted, origin } = opened;
  assert(tx.tenant === opened.tenant, "a session is opened in its own tenant");
  assert(aal === 2 || !isAdministrator(role), "an administrator has no session without a second factor");
  const nowMs = parts.clock();
  const session = uuidv7(nowMs) as SessionId;
  const createdMs = opened.life?.createdMs ?? nowMs;
  const { settings } = await parts.settings.of(tx.tenant, tx);
  const expiresMs = Math.min(
    opened.life?.expiresMs ?? Infinity,
    createdMs + sessionLife(parts.config, role, settings).absoluteMs,
  );
  assert(expiresMs > nowMs, "a new session is not over yet");
  const now = isoTime(nowMs);
  await tx.run(INSERT, [
    session,
    user,
    minted.digest,
    aal,
    aal === 2 ? now : null,
    isoTime(createdMs),
    now,
    isoTime(expiresMs),
    addressPrefix(origin.address),
    shownUserAgent(origin.userAgent),
  ]);
  if ((minted.digest[0] ?? 0) % SWEEP_ONE_IN === 0) tx.defer(SWEEP, [now, SWEEP_ROWS]);
  const event: AuditEvent = {
    action: opened.action,
    outcome: "success",
    tenant: opened.tenant,
    actor: { type: "user", tenant: opened.tenant, user, session },
    targets: [
      { type: "session", id: session },
      { type: "user", id: user },
    ],
    facts: { aal, ...opened.facts },
    context: origin,
  };
  await parts.recorder.record(tx, event);
  return { kind: "session", token: minted.token, session, expiresMs };
}

/** Ends one session for its replacement, if it is still live, and returns the life that goes over to the new one. */
export async function replaceSession(
  parts: Parts,
  tx: Transaction,
  principal: Principal,
): Promise<{ readonly createdMs: number; readonly expiresMs: number }> {
  const [row] = await tx.run(REVOKE, [principal.session, isoTime(parts.clock())]);
  if (row === undefined) throw signInRequired("revoked");
  assert(row.user_id === principal.user, "a session is its own user's");
  tx.invalidate({ kind: "session", tenant: principal.tenant, id: principal.session });
  return { createdMs: row.created_ms, expiresMs: row.expires_ms };
}

/** Revokes every session of a user, as part of an act on that user. Call `forgetUser` once it is committed. */
export async function revokeUserSessions(parts: Parts, tx: Transaction, user: UserId): Promise<void> {
  await tx.run(REVOKE_USER, [user, isoTime(parts.clock())]);
  tx.invalidate({ kind: "user", tenant: tx.tenant, id: user });
}

/** Makes this node forget a user at once; the others hear it from the bus. */
export function forgetUser(parts: Parts, tenant: TenantId, user: UserId): void {
  parts.cache.forget({ kind: "user", tenant, id: user });
}

/** One session as its owner or an administrator sees it. */
export interface SessionView {
  readonly session: SessionId;
  readonly user: UserId;
  readonly current: boolean;
  readonly aal: number;
  readonly addressPrefix: string | undefined;
  readonly userAgent: string | undefined;
  readonly createdMs: number;
  readonly lastSeenMs: number;
  readonly expiresMs: number;
}

/** Live sessions, latest first: one's own, or with `admin:users` those of somebody one's role covers. */
export async function listSessions(parts: Parts, principal: Principal, user = principal.user): Promise<SessionView[]> {
  await requireReach(parts, principal, user);
  const values = [user, isoTime(parts.clock()), LIST_MAX];
  const rows = await parts.database.once(principal.tenant, principal, LIST, values);
  return rows.map((row) => view(row, principal.session));
}

function view(row: ListRow, current: SessionId | undefined): SessionView {
  return {
    session: row.session_id as SessionId,
    user: row.user_id as UserId,
    current: row.session_id === current,
    aal: row.aal,
    addressPrefix: row.address_prefix ?? undefined,
    userAgent: row.user_agent ?? undefined,
    createdMs: row.created_ms,
    lastSeenMs: row.last_seen_ms,
    expiresMs: row.expires_ms,
  };
}

/** The live sessions of a tenant, or of one of its users, for the machine's own operator. The reading is recorded. */
export async function listSessionsLocally(parts: Parts, tenant: TenantId, user?: UserId): Promise<SessionView[]> {
  const now = isoTime(parts.clock());
  const rows = await parts.database.forTenant(tenant, LOCAL_SESSIONS, async (tx) => {
    const found =
      user === undefined ? await tx.run(LIST_ALL, [now, LIST_MAX]) : await tx.run(LIST, [user, now, LIST_MAX]);
    const targets = user === undefined ? [] : [{ type: "user", id: user }];
    const facts = { count: found.length };
    const actor = LOCAL_SESSIONS;
    await parts.recorder.record(tx, { action: "session.listed", outcome: "success", tenant, actor, targets, facts });
    return found;
  });
  return rows.map((row) => view(row, undefined));
}

/** Revokes one session. One that is already over counts as revoked. @throws RingwallError `resource.not_found` */
export async function revokeSession(parts: Parts, principal: Principal, session: string): Promise<void> {
  if (!isUuid(session)) throw new RingwallError("resource.not_found");
  const { tenant } = principal;
  await parts.database.forTenant(tenant, principal, async (tx) => {
    const [owner] = await tx.run(OWNER_OF, [session]);
    // Somebody else's session answers as a missing one does.
    if (owner === undefined || !reaches(principal, owner)) throw new RingwallError("resource.not_found");
    await revokeOne(parts, tx, principal, session);
  });
  parts.cache.forget({ kind: "session", tenant, id: session });
}

/** The same for the machine's own operator, who names the tenant. @throws RingwallError `resource.not_found` */
export async function revokeSessionLocally(parts: Parts, tenant: TenantId, session: string): Promise<void> {
  if (!isUuid(session)) throw new RingwallError("resource.not_found");
  await parts.database.forTenant(tenant, LOCAL_SESSIONS, async (tx) => {
    const [owner] = await tx.run(OWNER_OF, [session]);
    if (owner === undefined) throw new RingwallError("resource.not_found");
    await revokeOne(parts, tx, LOCAL_SESSIONS, session);
  });
  parts.cache.forget({ kind: "session", tenant, id: session });
}

async function revokeOne(parts: Parts, tx: Transaction, actor: Actor, session: string): Promise<void> {
  const { tenant } = tx;
  const [row] = await tx.run(REVOKE, [session, isoTime(parts.clock())]);
  if (row === undefined) return;
  tx.invalidate({ kind: "session", tenant, id: session });
  const targets = [
    { type: "session", id: session },
    { type: "user", id: row.user_id },
  ];
  await parts.recorder.record(tx, { action: "session.revoked", outcome: "success", tenant, actor, targets });
}

/** Revokes every session of a user, the one in use too when it is one's own. */
export async function revokeSessions(parts: Parts, principal: Principal, user = principal.user): Promise<void> {
  await requireReach(parts, principal, user);
  const { tenant } = principal;
  await parts.database.forTenant(tenant, principal, async (tx) => {
    await revokeUserSessions(parts, tx, user);
    const targets = [{ type: "user", id: user }];
    const facts = { all: true };
    const event = { action: "session.revoked", outcome: "success", tenant, actor: principal, targets, facts } as const;
    await parts.recorder.record(tx, event);
  });
  forgetUser(parts, tenant, user);
}

async function requireReach(parts: Parts, principal: Principal, user: UserId): Promise<void> {
  if (user === principal.user) return;
  if (!isUuid(user)) throw new RingwallError("resource.not_found");
  requirePermission(principal, "admin:users");
  const [row] = await parts.database.once(principal.tenant, principal, ROLE_OF, [user]);
  if (row === undefined) throw new RingwallError("resource.not_found");
  if (!reaches(principal, row)) throw new RingwallError("access.denied");
}

function reaches(principal: Principal, owner: { readonly user_id: string; readonly role: string }): boolean {
  if (owner.user_id === principal.user) return true;
  assert(isRole(owner.role), "a user has a role");
  return roleHolds(principal.role, "admin:users") && roleCovers(principal.role, owner.role);
}
