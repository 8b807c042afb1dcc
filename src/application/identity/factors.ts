import { assert, isoTime, RingwallError, statement } from "../../core/index.ts";
import { type Principal, requireSecondFactor } from "../access/index.ts";
import { type Attempt, failAttempt, giveBackAttempt, reserveAttempt } from "./attempts.ts";
import { accountCommitment, matchStep, mintToken, newSeed, preparePassword } from "./credentials/index.ts";
import type { Origin, Parts, SessionOpened } from "./parts.ts";
import {
  type Enrolment,
  enrolment,
  enrolmentContext,
  factorContext,
  recordEnrolled,
  takeStep,
} from "./second-factor.ts";
import { openSession, replaceSession } from "./sessions.ts";
import { verifyPassword } from "./sign-in.ts";

/** Replacing a second factor needs the old one, given within this time. */
const REPLACE_FRESH_MS = 300_000;

interface FactorRow {
  readonly email: string;
  readonly password_hash: string;
  readonly seed: Buffer | null;
  readonly enrolment_seed: Buffer | null;
}

const FACTOR = statement<FactorRow>(
  "identity.factor_of_session",
  `select u.email, u.password_hash, f.seed, s.enrolment_seed
   from ringwall.session s
     join ringwall.user_account u on u.tenant_id = s.tenant_id and u.user_id = s.user_id
     left join ringwall.totp_factor f on f.tenant_id = u.tenant_id and f.user_id = u.user_id
   where s.session_id = $1::uuid and s.user_id = $2::uuid and s.revoked_at is null`,
);

const STORE_ENROLMENT = statement<{ session_id: string }>(
  "identity.session_enrolment",
  `update ringwall.session set enrolment_seed = $2
   where session_id = $1::uuid and revoked_at is null returning session_id`,
);

// $4 is the seed that was there when the act began, or null for none: somebody else's change in between wins nothing.
const FACTOR_PUT = statement<{ user_id: string }>(
  "identity.totp_put",
  `insert into ringwall.totp_factor as f (user_id, seed, last_step, enrolled_at)
   values ($1::uuid, $2, $3, $5::timestamptz)
   on conflict (tenant_id, user_id) do update
     set seed = excluded.seed, last_step = excluded.last_step, enrolled_at = excluded.enrolled_at
     where f.seed = $4
   returning user_id`,
);

/**
 * Proves the second factor anew within a session. The session is replaced: new id, new token, the same end.
 *
 * @throws RingwallError `identity.sign_in_failed` for a wrong or used code and when no factor is enrolled;
 * `identity.attempts_exhausted` when the account has no attempts left.
 */
export async function stepUp(parts: Parts, principal: Principal, code: string, origin: Origin): Promise<SessionOpened> {
  const { tenant, user, role } = principal;
  const factor = await readFactor(parts, principal);
  const attempt = await reserve(parts, principal, "code", factor.email, origin);
  const step =
    factor.seed === null
      ? undefined
      : matchStep(await parts.sealer.open(tenant, factorContext(user), factor.seed), code, parts.clock());
  const minted = await mintToken("session", parts.pepper);
  const opened =
    step === undefined
      ? undefined
      : await parts.database.forTenant(tenant, principal, async (tx) => {
          assert(factor.seed !== null, "a matched code has a seed");
          if (!(await takeStep(tx, user, step, factor.seed))) return undefined;
          const life = await replaceSession(parts, tx, principal);
          giveBackAttempt(tx, attempt);
          const facts = { replaced: principal.session };
          const action = "session.stepped_up";
          return await openSession(parts, tx, { tenant, user, role, aal: 2, minted, origin, action, facts, life });
        });
  if (opened === undefined) {
    await failAttempt(parts, attempt, { user, origin });
    throw new RingwallError("identity.sign_in_failed");
  }
  forgetSession(parts, principal);
  return opened;
}

/**
 * Begins setting up a second factor from within a session. Needs the password again, and the old factor when there is
 * one: whoever merely holds the session cannot bind it to a device of their own.
 */
export async function beginEnrolment(
  parts: Parts,
  principal: Principal,
  password: string,
  origin: Origin,
): Promise<Enrolment> {
  const prepared = preparePassword(password);
  const { tenant, user } = principal;
  const factor = await readFactor(parts, principal);
  if (factor.seed !== null) requireSecondFactor(principal, parts.clock(), REPLACE_FRESH_MS);
  const attempt = await reserve(parts, principal, "password", factor.email, origin);
  if (!(await verifyPassword(parts, factor.password_hash, prepared, attempt))) {
    await failAttempt(parts, attempt, { user, origin });
    throw new RingwallError("identity.sign_in_failed");
  }
  const seed = newSeed();
  const sealed = await parts.sealer.seal(tenant, enrolmentContext(principal.session), seed);
  await parts.database.forTenant(tenant, principal, async (tx) => {
    const [row] = await tx.run(STORE_ENROLMENT, [principal.session, sealed]);
    if (row === undefined) throw new RingwallError("identity.sign_in_required");
    giveBackAttempt(tx, attempt);
  });
  return enrolment(parts, seed, factor.email);
}

/** Confirms the new factor with its first code. The session is replaced by one at level 2. @throws as `stepUp` */
export async function confirmEnrolment(
  parts: Parts,
  principal: Principal,
  code: string,
  origin: Origin,
): Promise<SessionOpened> {
  const { tenant, user, role } = principal;
  const factor = await readFactor(parts, principal);
  if (factor.seed !== null) requireSecondFactor(principal, parts.clock(), REPLACE_FRESH_MS);
  if (factor.enrolment_seed === null) throw new RingwallError("request.invalid", { detail: { reason: "not begun" } });
  const attempt = await reserve(parts, principal, "code", factor.email, origin);
  const seed = await parts.sealer.open(tenant, enrolmentContext(principal.session), factor.enrolment_seed);
  const step = matchStep(seed, code, parts.clock());
  if (step === undefined) {
    await failAttempt(parts, attempt, { user, origin });
    throw new RingwallError("identity.sign_in_failed");
  }
  const sealed = await parts.sealer.seal(tenant, factorContext(user), seed);
  const minted = await mintToken("session", parts.pepper);
  const opened = await parts.database.forTenant(tenant, principal, async (tx) => {
    const life = await replaceSession(parts, tx, principal);
    const [put] = await tx.run(FACTOR_PUT, [user, sealed, step, factor.seed, isoTime(parts.clock())]);
    if (put === undefined) throw new RingwallError("resource.conflict");
    giveBackAttempt(tx, attempt);
    const facts = { replaced: principal.session };
    const action = "session.stepped_up";
    const result = await openSession(parts, tx, { tenant, user, role, aal: 2, minted, origin, action, facts, life });
    await recordEnrolled(parts, tx, user, result, origin);
    return result;
  });
  forgetSession(parts, principal);
  return opened;
}

async function readFactor(parts: Parts, principal: Principal): Promise<FactorRow> {
  const values = [principal.session, principal.user];
  const [row] = await parts.database.once(principal.tenant, principal, FACTOR, values);
  if (row === undefined) throw new RingwallError("identity.sign_in_required", { detail: { reason: "revoked" } });
  return row;
}

async function reserve(
  parts: Parts,
  principal: Principal,
  scope: "password" | "code",
  email: string,
  origin: Origin,
): Promise<Attempt> {
  const account = await accountCommitment(principal.tenant, email, parts.pepper);
  const attempt = await reserveAttempt(parts, principal.tenant, scope, account);
  if (!attempt.refused) return attempt;
  await failAttempt(parts, attempt, { user: principal.user, origin });
  throw new RingwallError("identity.attempts_exhausted");
}

function forgetSession(parts: Parts, principal: Principal): void {
  parts.cache.forget({ kind: "session", tenant: principal.tenant, id: principal.session });
}
