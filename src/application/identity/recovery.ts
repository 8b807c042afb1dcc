import { assert, isoTime, RingwallError, statement, type Transaction, type UserId } from "../../core/index.ts";
import { isRole, type Principal, requirePermission } from "../access/index.ts";
import { failAttempt, giveBackAttempt, reserveAttempt } from "./attempts.ts";
import { needsSecondFactor } from "./config.ts";
import { accountCommitment, preparePassword, requireAcceptable } from "./credentials/index.ts";
import { consumeLink, type IssuedLink, linkInvalid, type OpenedLink, openLink, prepareLink } from "./links.ts";
import { anonymous, type Origin, type Parts, type SignedIn } from "./parts.ts";
import { lockTarget } from "./people.ts";
import { endUserLogins } from "./second-factor.ts";
import { forgetUser, revokeUserSessions } from "./sessions.ts";
import { chooseDoor, type Entrant, enter, verifyPassword } from "./sign-in.ts";

/** What was lost. Each needs the other one: a link never replaces both. */
export type RecoveryKind = "password" | "factor";

const SET_PASSWORD = statement<{ user_id: string }>(
  "identity.user_set_password",
  `update ringwall.user_account set password_hash = $2, factor_required = factor_required or $3
   where user_id = $1::uuid and status = 'active' and role = $4 returning user_id`,
);

const REQUIRE_FACTOR = statement<{ user_id: string }>(
  "identity.user_require_factor",
  `update ringwall.user_account set factor_required = true
   where user_id = $1::uuid and status = 'active' and role = $2 and password_hash = $3 returning user_id`,
);

const DROP_FACTOR = statement("identity.totp_drop", "delete from ringwall.totp_factor where user_id = $1::uuid");

/**
 * An administrator starts somebody's recovery and passes the link on. The administrator never chooses or learns a
 * password, cannot do it for somebody with more permissions, nor for themselves: a stolen session would then be enough
 * to take the account over.
 *
 * @throws RingwallError `access.denied`, `resource.not_found`
 */
export async function issueRecovery(
  parts: Parts,
  principal: Principal,
  user: string,
  kind: RecoveryKind,
): Promise<IssuedLink> {
  requirePermission(principal, "admin:users");
  if (user === principal.user) throw new RingwallError("access.denied", { detail: { rule: "recovery.self" } });
  const { tenant } = principal;
  const seconds = parts.config.links.recoverySeconds;
  const link = await prepareLink(parts, { kind, subject: user, role: null, createdBy: principal.user, seconds });
  await parts.database.forTenant(tenant, principal, async (tx) => {
    const target = await lockTarget(tx, principal, user);
    if (target.status !== "active") throw new RingwallError("resource.conflict", { detail: { reason: "disabled" } });
    await link.write(tx);
    const targets = [{ type: "user", id: target.user }];
    const action = "user.recovery_issued";
    await parts.recorder.record(tx, { action, outcome: "success", tenant, actor: principal, targets, facts: { kind } });
  });
  return link.issued;
}

/**
 * Uses a recovery link. For a lost password, `password` is the new one; the second factor is still asked for. For a
 * lost second factor, `password` is the present one, counted as an attempt; a new factor has to be set up. Either
 * way every session of the person ends.
 *
 * @throws RingwallError `identity.link_invalid`, `identity.password_unacceptable`, `identity.sign_in_failed`,
 * `identity.attempts_exhausted`
 */
export async function redeemRecovery(
  parts: Parts,
  input: { readonly token: string; readonly password: string },
  origin: Origin,
): Promise<SignedIn> {
  const password = preparePassword(input.password);
  const link = await openLink(parts, input.token, ["password", "factor"]);
  const person = personOf(link);
  const signedIn =
    link.row.kind === "password"
      ? await resetPassword(parts, link, person, password, origin)
      : await resetFactor(parts, link, person, password, origin);
  forgetUser(parts, link.tenant, person.user);
  return signedIn;
}

interface Person extends Entrant {
  readonly email: string;
  readonly name: string;
  readonly passwordHash: string;
}

function personOf(link: OpenedLink): Person {
  const { user_id: user, user_role: role, email, name, password_hash: passwordHash } = link.row;
  if (link.row.user_status !== "active") throw linkInvalid("user");
  assert(user !== null && isRole(role), "a recovery link leads to a user");
  assert(email !== null && name !== null && passwordHash !== null, "a user's row is whole");
  return {
    tenant: link.tenant,
    user: user as UserId,
    role,
    factorRequired: link.row.factor_required === true,
    enrolled: link.row.enrolled,
    email,
    name,
    passwordHash,
  };
}

async function resetPassword(
  parts: Parts,
  link: OpenedLink,
  person: Person,
  password: string,
  origin: Origin,
): Promise<SignedIn> {
  const { tenant, user, role } = person;
  const { settings } = await parts.settings.of(person.tenant);
  const secondFactor = person.enrolled || needsSecondFactor(role, person.factorRequired, settings);
  const words = [tenant, link.row.tenant_name, person.name, person.email];
  requireAcceptable(password, parts.config.password, { secondFactor, words });
  // A password that is short because of the second factor binds the account to having one from now on.
  const short = Array.from(password).length < parts.config.password.charactersMin;
  assert(!short || secondFactor, "a short password comes with a second factor");
  const hash = await parts.hasher.hash(password);
  const door = await chooseDoor(parts, person);
  return await parts.database.forTenant(tenant, anonymous(tenant), async (tx) => {
    await consumeLink(parts, tx, link);
    const [set] = await tx.run(SET_PASSWORD, [user, hash, short, role]);
    if (set === undefined) throw linkInvalid("changed");
    await endEverything(parts, tx, user);
    await record(parts, tx, "user.password_reset", person, origin);
    return await enter(parts, tx, person, door, origin);
  });
}

async function resetFactor(
  parts: Parts,
  link: OpenedLink,
  person: Person,
  password: string,
  origin: Origin,
): Promise<SignedIn> {
  const { tenant, user, role, passwordHash } = person;
  const account = await accountCommitment(tenant, person.email, parts.pepper);
  const attempt = await reserveAttempt(parts, tenant, "password", account);
  const stored = attempt.refused ? parts.hasher.dummy : passwordHash;
  const right = await verifyPassword(parts, stored, password, attempt);
  if (attempt.refused || !right) {
    await failAttempt(parts, attempt, { user, origin });
    throw new RingwallError(attempt.refused ? "identity.attempts_exhausted" : "identity.sign_in_failed");
  }
  const bare: Entrant = { ...person, enrolled: false, factorRequired: true };
  const door = await chooseDoor(parts, bare);
  assert(door.next === "enrol", "whoever lost a factor sets up a new one");
  return await parts.database.forTenant(tenant, anonymous(tenant), async (tx) => {
    await consumeLink(parts, tx, link);
    const [set] = await tx.run(REQUIRE_FACTOR, [user, role, passwordHash]);
    if (set === undefined) throw linkInvalid("changed");
    await tx.run(DROP_FACTOR, [user]);
    await endEverything(parts, tx, user);
    giveBackAttempt(tx, attempt);
    await record(parts, tx, "factor.reset", person, origin);
    return await enter(parts, tx, bare, door, origin);
  });
}

async function endEverything(parts: Parts, tx: Transaction, user: UserId): Promise<void> {
  await revokeUserSessions(parts, tx, user);
  await endUserLogins(parts, tx, user);
}

async function record(
  parts: Parts,
  tx: Transaction,
  action: "user.password_reset" | "factor.reset",
  person: Person,
  origin: Origin,
): Promise<void> {
  const { tenant, user } = person;
  const targets = [{ type: "user", id: user }];
  const facts = { at: isoTime(parts.clock()) };
  const actor = anonymous(tenant);
  await parts.recorder.record(tx, { action, outcome: "success", tenant, actor, targets, facts, context: origin });
}
