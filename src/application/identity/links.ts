import {
  assert,
  isoTime,
  isTenantId,
  PLATFORM_TENANT,
  type PlainSecret,
  RingwallError,
  type SystemActor,
  statement,
  type TenantId,
  type Transaction,
  type UserId,
  uuidv7,
} from "../../core/index.ts";
import { isRole, type Role } from "../access/index.ts";
import {
  isToken,
  mintToken,
  normaliseEmail,
  preparePassword,
  requireAcceptable,
  tokenDigest,
} from "./credentials/index.ts";
import type { Origin, Parts, SignedIn } from "./parts.ts";
import { chooseDoor, enter } from "./sign-in.ts";

/** What a one-time link is for. `password` and `factor` are recoveries. */
export type LinkKind = "bootstrap" | "invitation" | "password" | "factor";

/** The token of a link, told once. It belongs into the fragment of an address, which no server and no log sees. */
export interface IssuedLink {
  readonly token: PlainSecret;
  readonly expiresMs: number;
}

interface LinkRow {
  readonly tenant_id: string;
  readonly kind: LinkKind;
  readonly subject: string;
  readonly role: string | null;
  /** Made by the platform: good only while the tenant has no owner. */
  readonly first_owner: boolean;
  readonly expires_ms: number;
  readonly used: boolean;
  readonly tenant_status: string;
  readonly tenant_name: string;
  readonly user_id: string | null;
  readonly email: string | null;
  readonly name: string | null;
  readonly user_role: string | null;
  readonly user_status: string | null;
  readonly password_hash: string | null;
  readonly factor_required: boolean | null;
  readonly enrolled: boolean;
}

/** A link that could be used when it was looked up. Whether it still can is the consuming update's word. */
export interface OpenedLink {
  readonly tenant: TenantId;
  readonly digest: Buffer;
  readonly row: LinkRow;
}

// One row for each kind and subject: issuing again overwrites the token, which is how the link before it dies.
const ISSUE = statement(
  "identity.link_issue",
  `insert into ringwall.link (kind, subject, token_hash, role, created_by, created_at, expires_at)
   values ($1, $2, $3, $4, $5::uuid, $6::timestamptz, $7::timestamptz)
   on conflict (tenant_id, kind, subject) do update set token_hash = excluded.token_hash, role = excluded.role,
     created_by = excluded.created_by, created_at = excluded.created_at, expires_at = excluded.expires_at, used_at = null`,
);

const CONSUME = statement<{ subject: string }>(
  "identity.link_consume",
  `update ringwall.link set used_at = $3::timestamptz
   where kind = $1 and token_hash = $2 and used_at is null and expires_at > $3::timestamptz returning subject`,
);

const WITHDRAW = statement(
  "identity.link_withdraw",
  `delete from ringwall.link
   where used_at is null and (created_by = $1::uuid or (kind in ('password', 'factor') and subject = $1::uuid::text))`,
);

const ENSURE_PLATFORM = statement(
  "identity.platform_ensure",
  "insert into ringwall.tenant (tenant_id, name) values ('platform', 'Platform') on conflict (tenant_id) do nothing",
);

const OWNER_EXISTS = statement<{ user_id: string }>(
  "identity.owner_exists",
  "select user_id from ringwall.user_account where role = 'owner' limit 1",
);

// Two links for a first owner, used at once, wait for each other here, so that the second finds the owner.
const LOCK_TENANT = statement(
  "identity.tenant_lock",
  "select tenant_id from ringwall.tenant where tenant_id = $1 for no key update",
);

const USER_INSERT = statement<{ user_id: string }>(
  "identity.user_insert",
  `insert into ringwall.user_account (user_id, email, name, role, password_hash, created_at)
   values ($1::uuid, $2, $3, $4, $5, $6::timestamptz)
   on conflict (tenant_id, email) do nothing returning user_id`,
);

export interface NewLink {
  readonly kind: LinkKind;
  readonly subject: string;
  readonly role: Role | null;
  readonly createdBy: UserId | null;
  readonly seconds: number;
}

/** Mints the token first and writes it in the transaction of the act. */
export async function prepareLink(
  parts: Parts,
  link: NewLink,
): Promise<{ readonly issued: IssuedLink; write(tx: Transaction): Promise<void> }> {
  assert((link.role !== null) === (link.kind === "invitation"), "an invitation names a role, nothing else does");
  const { token, digest } = await mintToken("link", parts.pepper);
  const nowMs = parts.clock();
  const expiresMs = nowMs + link.seconds * 1_000;
  const { kind, subject, role, createdBy } = link;
  const values = [kind, subject, digest, role, createdBy, isoTime(nowMs), isoTime(expiresMs)];
  return {
    issued: { token, expiresMs },
    async write(tx) {
      await tx.run(ISSUE, values);
    },
  };
}

export function linkInvalid(reason: string): RingwallError {
  return new RingwallError("identity.link_invalid", { detail: { reason } });
}

/** Looks a link up before the expensive work. @throws RingwallError `identity.link_invalid`, whatever the reason. */
export async function openLink(parts: Parts, token: string, kinds: readonly LinkKind[]): Promise<OpenedLink> {
  if (!isToken("link", token)) throw linkInvalid("form");
  const digest = await tokenDigest("link", token, parts.pepper);
  const row = await parts.database.lookup<LinkRow>("link_by_hash", [digest]);
  if (row === undefined) throw linkInvalid("unknown");
  if (!kinds.includes(row.kind)) throw linkInvalid("kind");
  if (row.used) throw linkInvalid("used");
  if (parts.clock() >= row.expires_ms) throw linkInvalid("expired");
  if (row.tenant_status !== "active") throw linkInvalid("tenant");
  assert(isTenantId(row.tenant_id), "a link row has its forms");
  return { tenant: row.tenant_id, digest, row };
}

/** Uses the link up. Of two who come at once, one gets through. */
export async function consumeLink(parts: Parts, tx: Transaction, link: OpenedLink): Promise<void> {
  const [row] = await tx.run(CONSUME, [link.row.kind, link.digest, isoTime(parts.clock())]);
  if (row === undefined) throw linkInvalid("used");
}

/** Kills the open links that a user issued, and those that lead to the user's account. */
export async function withdrawLinks(tx: Transaction, user: UserId): Promise<void> {
  await tx.run(WITHDRAW, [user]);
}

export async function ownerExists(tx: Transaction): Promise<boolean> {
  const [owner] = await tx.run(OWNER_EXISTS, []);
  return owner !== undefined;
}

const BOOTSTRAP: SystemActor = { type: "system", capability: "identity.bootstrap" };

/**
 * Issues the one link with which the platform's first administrator comes in. Called by a local command only.
 * @throws RingwallError `resource.conflict` once the platform has an owner.
 */
export async function issueBootstrap(parts: Parts): Promise<IssuedLink> {
  const tenant = PLATFORM_TENANT;
  const seconds = parts.config.links.bootstrapSeconds;
  const link = await prepareLink(parts, { kind: "bootstrap", subject: tenant, role: null, createdBy: null, seconds });
  await parts.database.forTenant(tenant, BOOTSTRAP, async (tx) => {
    await tx.run(ENSURE_PLATFORM, []);
    if (await ownerExists(tx)) throw new RingwallError("resource.conflict", { detail: { reason: "owner exists" } });
    await link.write(tx);
    await parts.recorder.record(tx, { action: "bootstrap.issued", outcome: "success", tenant, actor: BOOTSTRAP });
  });
  return link.issued;
}

export interface JoinInput {
  readonly token: string;
  readonly name: string;
  readonly password: string;
}

/** Makes the platform's first owner, and a sign-in that waits for the second factor to be set up. */
export async function redeemBootstrap(
  parts: Parts,
  input: JoinInput & { readonly email: string },
  origin: Origin,
): Promise<SignedIn> {
  const email = normaliseEmail(input.email);
  const link = await openLink(parts, input.token, ["bootstrap"]);
  return await join(parts, link, { ...input, email, role: "owner" }, origin);
}

/** Accepts an invitation: the account begins to exist, with the role that was offered and no other. */
export async function acceptInvitation(parts: Parts, input: JoinInput, origin: Origin): Promise<SignedIn> {
  const link = await openLink(parts, input.token, ["invitation"]);
  const { role, subject: email } = link.row;
  assert(isRole(role), "an invitation names a role");
  return await join(parts, link, { ...input, email, role }, origin);
}

async function join(
  parts: Parts,
  link: OpenedLink,
  joining: JoinInput & { readonly email: string; readonly role: Role },
  origin: Origin,
): Promise<SignedIn> {
  const { tenant } = link;
  const { email, name, role } = joining;
  const user = uuidv7(parts.clock()) as UserId;
  const entrant = { tenant, user, role, factorRequired: false, enrolled: false };
  const door = await chooseDoor(parts, entrant);
  const password = preparePassword(joining.password);
  const words = [tenant, link.row.tenant_name, name, email];
  requireAcceptable(password, parts.config.password, { secondFactor: door.next !== "session", words });
  const hash = await parts.hasher.hash(password);
  const bootstrap = link.row.kind === "bootstrap";
  return await parts.database.forTenant(tenant, { type: "anonymous", tenant }, async (tx) => {
    await consumeLink(parts, tx, link);
    if (link.row.first_owner) {
      await tx.run(LOCK_TENANT, [tenant]);
      if (await ownerExists(tx)) throw linkInvalid("owner exists");
    }
    const [row] = await tx.run(USER_INSERT, [user, email, name, role, hash, isoTime(parts.clock())]);
    if (row === undefined) throw new RingwallError("resource.conflict", { detail: { reason: "address taken" } });
    await parts.recorder.record(tx, {
      action: bootstrap ? "user.bootstrapped" : "user.joined",
      outcome: "success",
      tenant,
      actor: { type: "anonymous", tenant },
      targets: [{ type: "user", id: user }],
      facts: { role },
      personal: { email, name },
      context: origin,
    });
    return await enter(parts, tx, entrant, door, origin);
  });
}
