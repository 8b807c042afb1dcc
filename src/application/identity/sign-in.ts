import {
  assert,
  isoTime,
  RingwallError,
  statement,
  type TenantId,
  type Transaction,
  tenantId,
  type UserId,
  uuidv7,
} from "../../core/index.ts";
import { isRole, type Role } from "../access/index.ts";
import { type Attempt, cancelAttempt, failAttempt, giveBackAttempt, reserveAttempt } from "./attempts.ts";
import { needsSecondFactor } from "./config.ts";
import {
  accountCommitment,
  type MintedToken,
  mintToken,
  normaliseEmail,
  preparePassword,
} from "./credentials/index.ts";
import { addressPrefix, anonymous, type Origin, type Parts, type SignedIn, shownUserAgent } from "./parts.ts";
import { openSession } from "./sessions.ts";

const SWEEP_ONE_IN = 16;
const SWEEP_ROWS = 64;

interface SignInRow {
  readonly tenant_status: string;
  readonly user_id: string | null;
  readonly role: string | null;
  readonly user_status: string | null;
  readonly password_hash: string | null;
  readonly factor_required: boolean | null;
  readonly enrolled: boolean;
}

const LOGIN_INSERT = statement(
  "identity.login_insert",
  `insert into ringwall.login_transaction (login_id, user_id, token_hash, address_prefix, user_agent, created_at, expires_at)
   values ($1::uuid, $2::uuid, $3, $4, $5, $6::timestamptz, $7::timestamptz)`,
);

const LOGIN_SWEEP = statement(
  "identity.login_sweep",
  `delete from ringwall.login_transaction where (tenant_id, login_id) in (
     select tenant_id, login_id from ringwall.login_transaction where expires_at <= $1::timestamptz
     order by expires_at limit $2 for update skip locked)`,
);

// Holds the account as it was verified until the session is committed: whoever disables it or changes its role or
// password at the same moment either comes first, and this finds nothing, or waits, and then finds the session.
const STILL_SO = statement(
  "identity.user_still_so",
  `select user_id from ringwall.user_account
   where user_id = $1::uuid and status = 'active' and role = $2 and password_hash = $3 for share`,
);

const REHASH = statement(
  "identity.user_rehash",
  "update ringwall.user_account set password_hash = $3 where user_id = $1::uuid and password_hash = $2",
);

/** What decides how somebody whose first factor was right goes on. */
export interface Entrant {
  readonly tenant: TenantId;
  readonly user: UserId;
  readonly role: Role;
  readonly factorRequired: boolean;
  readonly enrolled: boolean;
}

/** The way in, with its token, made ready before the transaction: a login transaction or a session. */
export type Door =
  | { readonly next: "code" | "enrol"; readonly minted: MintedToken }
  | { readonly next: "session"; readonly minted: MintedToken };

/** Where this person goes after the first factor. Without a second factor only where none is needed or enrolled. */
export async function chooseDoor(parts: Parts, entrant: Entrant): Promise<Door> {
  if (entrant.enrolled) return { next: "code", minted: await mintToken("login", parts.pepper) };
  const { settings } = await parts.settings.of(entrant.tenant);
  if (needsSecondFactor(entrant.role, entrant.factorRequired, settings)) {
    return { next: "enrol", minted: await mintToken("login", parts.pepper) };
  }
  return { next: "session", minted: await mintToken("session", parts.pepper) };
}

/** Goes through the door, in the transaction of the act that opened it. */
export async function enter(
  parts: Parts,
  tx: Transaction,
  entrant: Entrant,
  door: Door,
  origin: Origin,
): Promise<SignedIn> {
  const { minted } = door;
  if (door.next === "session") {
    const { tenant, user, role } = entrant;
    return await openSession(parts, tx, { tenant, user, role, aal: 1, minted, origin, action: "session.created" });
  }
  const nowMs = parts.clock();
  const expiresMs = nowMs + parts.config.login.seconds * 1_000;
  const place = [addressPrefix(origin.address), shownUserAgent(origin.userAgent)];
  const values = [uuidv7(nowMs), entrant.user, minted.digest, ...place, isoTime(nowMs), isoTime(expiresMs)];
  await tx.run(LOGIN_INSERT, values);
  if ((minted.digest[0] ?? 0) % SWEEP_ONE_IN === 0) tx.defer(LOGIN_SWEEP, [isoTime(nowMs), SWEEP_ROWS]);
  return { kind: "login", token: minted.token, next: door.next, expiresMs };
}

export interface SignInInput {
  readonly tenant: string;
  readonly email: string;
  readonly password: string;
}

/**
 * Signs somebody in with a password. Unknown, wrong, disabled, locked and suspended take the same way, do the same
 * work and get the same answer; only the audit tells them apart.
 *
 * @throws RingwallError `identity.sign_in_failed`; `request.invalid` for what cannot be anybody's credentials;
 * `identity.overloaded` when too many passwords wait to be hashed: the attempt does not count then.
 */
export async function signIn(parts: Parts, input: SignInInput, origin: Origin): Promise<SignedIn> {
  const tenant = tenantId(input.tenant);
  const email = normaliseEmail(input.email);
  const password = preparePassword(input.password);
  const account = await accountCommitment(tenant, email, parts.pepper);
  const row = await parts.database.lookup<SignInRow>("sign_in_user", [tenant, email]);
  if (row === undefined) {
    // No such tenant: nothing to count in, and no row may grow from a name that somebody made up.
    await parts.hasher.verify(parts.hasher.dummy, password);
    throw new RingwallError("identity.sign_in_failed", { detail: { reason: "tenant" } });
  }
  const attempt = await reserveAttempt(parts, tenant, "password", account);
  const entrant = entrantOf(tenant, row);
  const may = entrant !== undefined && !attempt.refused;
  const right = await verifyPassword(parts, may ? entrant.passwordHash : parts.hasher.dummy, password, attempt);
  if (!may || !right) {
    await failAttempt(parts, attempt, { user: row.user_id ?? undefined, origin });
    throw new RingwallError("identity.sign_in_failed");
  }
  return await admit(parts, entrant, attempt, password, origin);
}

/** Verifies a password for which an attempt was reserved. When no verification took place the attempt is given back. */
export async function verifyPassword(
  parts: Parts,
  stored: string,
  password: string,
  attempt: Attempt,
): Promise<boolean> {
  try {
    return await parts.hasher.verify(stored, password);
  } catch (error) {
    await cancelAttempt(parts, attempt);
    throw error;
  }
}

function entrantOf(tenant: TenantId, row: SignInRow): (Entrant & { readonly passwordHash: string }) | undefined {
  const { user_id: user, role, password_hash: passwordHash } = row;
  if (row.tenant_status !== "active" || row.user_status !== "active") return undefined;
  assert(user !== null && isRole(role) && passwordHash !== null, "a user's row is whole");
  return {
    tenant,
    user: user as UserId,
    role,
    factorRequired: row.factor_required === true,
    enrolled: row.enrolled,
    passwordHash,
  };
}

async function admit(
  parts: Parts,
  entrant: Entrant & { readonly passwordHash: string },
  attempt: Attempt,
  password: string,
  origin: Origin,
): Promise<SignedIn> {
  const { tenant, user, role, passwordHash } = entrant;
  const rehashed = parts.hasher.outdated(passwordHash) ? await rehash(parts, password) : undefined;
  const door = await chooseDoor(parts, entrant);
  return await parts.database.forTenant(tenant, anonymous(tenant), async (tx) => {
    const [still] = await tx.run(STILL_SO, [user, role, passwordHash]);
    if (still === undefined) throw new RingwallError("identity.sign_in_failed", { detail: { reason: "changed" } });
    if (rehashed !== undefined) await tx.run(REHASH, [user, passwordHash, rehashed]);
    giveBackAttempt(tx, attempt);
    return await enter(parts, tx, entrant, door, origin);
  });
}

/** A hash with the current parameters, or none when the queue is full: the next sign-in tries again. */
async function rehash(parts: Parts, password: string): Promise<string | undefined> {
  try {
    return await parts.hasher.hash(password);
  } catch (error) {
    if (error instanceof RingwallError && error.code === "identity.overloaded") return undefined;
    throw error;
  }
}
