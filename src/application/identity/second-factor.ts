import {
  assert,
  isoTime,
  isTenantId,
  PlainSecret,
  RingwallError,
  statement,
  type TenantId,
  type Transaction,
  type UserId,
} from "../../core/index.ts";
import { isRole, type Role } from "../access/index.ts";
import { type Attempt, failAttempt, giveBackAttempt, reserveAttempt } from "./attempts.ts";
import {
  accountCommitment,
  enrolmentUri,
  isToken,
  matchStep,
  mintToken,
  newSeed,
  tokenDigest,
} from "./credentials/index.ts";
import { anonymous, type Origin, type Parts, type SessionOpened } from "./parts.ts";
import { openSession } from "./sessions.ts";

interface LoginRow {
  readonly tenant_id: string;
  readonly login_id: string;
  readonly user_id: string;
  readonly email: string;
  readonly role: string;
  readonly user_status: string;
  readonly tenant_status: string;
  readonly expires_ms: number;
  readonly ended: boolean;
  readonly enrolment_seed: Buffer | null;
  readonly seed: Buffer | null;
}

/** A sign-in whose password was right and whose second factor is due. Can do nothing else. */
interface Login {
  readonly tenant: TenantId;
  readonly login: string;
  readonly user: UserId;
  readonly email: string;
  readonly role: Role;
  readonly enrolmentSeed: Buffer | undefined;
  readonly seed: Buffer | undefined;
}

// Counted before the code is looked at, as attempts are; the row ends at its limit whoever counts it there.
const COUNT_CODE = statement<{ wrong_codes: number }>(
  "identity.login_count_code",
  `update ringwall.login_transaction set wrong_codes = wrong_codes + 1
   where login_id = $1::uuid and ended_at is null and wrong_codes < $2 returning wrong_codes`,
);

const END = statement<{ login_id: string }>(
  "identity.login_end",
  `update ringwall.login_transaction set ended_at = $2::timestamptz, enrolment_seed = null
   where login_id = $1::uuid and ended_at is null and expires_at > $2::timestamptz returning login_id`,
);

const END_USER = statement(
  "identity.login_end_user",
  `update ringwall.login_transaction set ended_at = $2::timestamptz, enrolment_seed = null
   where user_id = $1::uuid and ended_at is null`,
);

// The whole of "each code once": of two that bring the same code, on whatever nodes, one finds a smaller step here.
const TAKE_STEP = statement<{ user_id: string }>(
  "identity.totp_take_step",
  `update ringwall.totp_factor set last_step = $2
   where user_id = $1::uuid and last_step < $2 and seed = $3 returning user_id`,
);

const FACTOR_INSERT = statement<{ user_id: string }>(
  "identity.totp_insert",
  `insert into ringwall.totp_factor (user_id, seed, last_step, enrolled_at) values ($1::uuid, $2, $3, $4::timestamptz)
   on conflict (tenant_id, user_id) do nothing returning user_id`,
);

const STORE_ENROLMENT = statement<{ login_id: string }>(
  "identity.login_enrolment",
  `update ringwall.login_transaction set enrolment_seed = $2
   where login_id = $1::uuid and ended_at is null returning login_id`,
);

const ACTIVE = statement(
  "identity.user_active",
  "select user_id from ringwall.user_account where user_id = $1::uuid and role = $2 and status = 'active' for share",
);

/** What a person puts into the authenticator app. Shown once. */
export interface Enrolment {
  readonly uri: PlainSecret;
  readonly base32: PlainSecret;
}

/** Which user's factor a sealed seed belongs to: bound into it, so that no row can lend its seed to another. */
export function factorContext(user: UserId): readonly string[] {
  return ["totp_factor", user];
}

/** The seed of an enrolment under way belongs to one login transaction or session, never to a user yet. */
export function enrolmentContext(holder: string): readonly string[] {
  return ["totp_enrolment", holder];
}

function startAgain(reason: string): RingwallError {
  return new RingwallError("identity.sign_in_required", { detail: { reason } });
}

async function openLogin(parts: Parts, token: string): Promise<Login> {
  if (!isToken("login", token)) throw startAgain("form");
  const digest = await tokenDigest("login", token, parts.pepper);
  const row = await parts.database.lookup<LoginRow>("login_by_hash", [digest]);
  if (row === undefined) throw startAgain("unknown");
  if (row.ended || parts.clock() >= row.expires_ms) throw startAgain("ended");
  if (row.tenant_status !== "active" || row.user_status !== "active") throw startAgain("unavailable");
  const { tenant_id: tenant, role } = row;
  assert(isTenantId(tenant) && isRole(role), "a login row has its forms");
  return {
    tenant,
    login: row.login_id,
    user: row.user_id as UserId,
    email: row.email,
    role,
    enrolmentSeed: row.enrolment_seed ?? undefined,
    seed: row.seed ?? undefined,
  };
}

/**
 * Finishes a sign-in with a code of the enrolled factor: the login transaction ends and a session with a new id begins.
 *
 * @throws RingwallError `identity.sign_in_failed` for a wrong or used code; `identity.attempts_exhausted` when the
 * transaction or the account has no attempts left; `identity.sign_in_required` when the transaction is over.
 */
export async function giveCode(parts: Parts, token: string, code: string, origin: Origin): Promise<SessionOpened> {
  const login = await openLogin(parts, token);
  const { tenant, user, seed: sealed } = login;
  if (sealed === undefined) throw new RingwallError("request.invalid", { detail: { reason: "not enrolled" } });
  const counted = await countCode(parts, login, origin);
  const seed = await parts.sealer.open(tenant, factorContext(user), sealed);
  const step = matchStep(seed, code, parts.clock());
  const minted = await mintToken("session", parts.pepper);
  const opened =
    step === undefined
      ? undefined
      : await parts.database.forTenant(tenant, anonymous(tenant), async (tx) => {
          if (!(await takeStep(tx, user, step, sealed))) return undefined;
          await endLogin(parts, tx, login);
          giveBackAttempt(tx, counted.attempt);
          const { role } = login;
          return await openSession(parts, tx, {
            tenant,
            user,
            role,
            aal: 2,
            minted,
            origin,
            action: "session.created",
          });
        });
  return opened ?? (await refuseCode(parts, login, counted, origin));
}

/** Begins setting up the second factor that this sign-in needs. Asking again replaces the seed. */
export async function beginLoginEnrolment(parts: Parts, token: string): Promise<Enrolment> {
  const login = await openLogin(parts, token);
  const { tenant } = login;
  if (login.seed !== undefined) throw new RingwallError("request.invalid", { detail: { reason: "enrolled" } });
  const seed = newSeed();
  const sealed = await parts.sealer.seal(tenant, enrolmentContext(login.login), seed);
  const [row] = await parts.database.once(tenant, anonymous(tenant), STORE_ENROLMENT, [login.login, sealed]);
  if (row === undefined) throw startAgain("ended");
  return enrolment(parts, seed, login.email);
}

export function enrolment(parts: Parts, seed: Buffer, email: string): Enrolment {
  const { uri, base32 } = enrolmentUri(seed, parts.config.totp.issuer, email);
  return { uri: new PlainSecret(uri), base32: new PlainSecret(base32) };
}

/**
 * Confirms the factor with a first code, which counts as used, and finishes the sign-in with a session.
 * @throws RingwallError as `giveCode`
 */
export async function confirmLoginEnrolment(
  parts: Parts,
  token: string,
  code: string,
  origin: Origin,
): Promise<SessionOpened> {
  const login = await openLogin(parts, token);
  const { tenant, user, role, enrolmentSeed } = login;
  if (enrolmentSeed === undefined) throw new RingwallError("request.invalid", { detail: { reason: "not begun" } });
  const counted = await countCode(parts, login, origin);
  const seed = await parts.sealer.open(tenant, enrolmentContext(login.login), enrolmentSeed);
  const step = matchStep(seed, code, parts.clock());
  if (step === undefined) return await refuseCode(parts, login, counted, origin);
  const sealed = await parts.sealer.seal(tenant, factorContext(user), seed);
  const minted = await mintToken("session", parts.pepper);
  return await parts.database.forTenant(tenant, anonymous(tenant), async (tx) => {
    await endLogin(parts, tx, login);
    const [row] = await tx.run(FACTOR_INSERT, [user, sealed, step, isoTime(parts.clock())]);
    if (row === undefined) throw startAgain("enrolled elsewhere");
    giveBackAttempt(tx, counted.attempt);
    const opened = await openSession(parts, tx, {
      tenant,
      user,
      role,
      aal: 2,
      minted,
      origin,
      action: "session.created",
    });
    await recordEnrolled(parts, tx, user, opened, origin);
    return opened;
  });
}

export async function recordEnrolled(
  parts: Parts,
  tx: Transaction,
  user: UserId,
  opened: SessionOpened,
  origin: Origin,
): Promise<void> {
  const { tenant } = tx;
  await parts.recorder.record(tx, {
    action: "factor.enrolled",
    outcome: "success",
    tenant,
    actor: { type: "user", tenant, user, session: opened.session },
    targets: [{ type: "user", id: user }],
    facts: { factor: "totp" },
    context: origin,
  });
}

/** Whether this step is used now for the first time. Atomic: the row is the only judge. */
export async function takeStep(tx: Transaction, user: UserId, step: number, sealed: Buffer): Promise<boolean> {
  const [row] = await tx.run(TAKE_STEP, [user, step, sealed]);
  return row !== undefined;
}

/** Ends every sign-in of a user that is under way. */
export async function endUserLogins(parts: Parts, tx: Transaction, user: UserId): Promise<void> {
  await tx.run(END_USER, [user, isoTime(parts.clock())]);
}

async function endLogin(parts: Parts, tx: Transaction, login: Login): Promise<void> {
  const [ended] = await tx.run(END, [login.login, isoTime(parts.clock())]);
  if (ended === undefined) throw startAgain("ended");
  const [active] = await tx.run(ACTIVE, [login.user, login.role]);
  if (active === undefined) throw startAgain("changed");
}

interface Counted {
  readonly attempt: Attempt;
  readonly codes: number;
}

/** Counts a code against the transaction and the account before it is looked at. */
async function countCode(parts: Parts, login: Login, origin: Origin): Promise<Counted> {
  const { tenant } = login;
  const max = parts.config.login.wrongCodesMax;
  const account = await accountCommitment(tenant, login.email, parts.pepper);
  const [row] = await parts.database.once(tenant, anonymous(tenant), COUNT_CODE, [login.login, max]);
  if (row === undefined) throw new RingwallError("identity.attempts_exhausted");
  const attempt = await reserveAttempt(parts, tenant, "code", account);
  if (!attempt.refused) return { attempt, codes: row.wrong_codes };
  await failAttempt(parts, attempt, { user: login.user, origin });
  throw new RingwallError("identity.attempts_exhausted");
}

/** Records a wrong code; the last one that the transaction allows ends it. */
async function refuseCode(parts: Parts, login: Login, counted: Counted, origin: Origin): Promise<never> {
  const last = counted.codes >= parts.config.login.wrongCodesMax;
  await failAttempt(parts, counted.attempt, { user: login.user, origin, facts: { last } }, async (tx) => {
    if (last) await tx.run(END, [login.login, isoTime(parts.clock())]);
  });
  throw new RingwallError(last ? "identity.attempts_exhausted" : "identity.sign_in_failed");
}
