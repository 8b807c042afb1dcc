/**
 * Identity: people prove who they are, within their tenant, and whoever only pretends gets nowhere.
 *
 * A person belongs to one tenant; the same address elsewhere is another account. Signing in takes a password and, for
 * administrators and owners and for whoever enrolled one, a second factor. Between the two stands a login transaction:
 * another object in another table with another token, which can do nothing but finish the sign-in. Then comes a
 * session: an opaque token, stored only as a keyed hash, with a public id for logs, replaced at every change of level.
 *
 * Guards against guessing (attempts are counted, atomically, before any work), against telling accounts apart (unknown,
 * wrong, disabled, locked: the same work, the same answer), against codes and links used twice, against sessions that
 * outlive their revocation (at once on this node, within a second on others, from the database while the bus is down),
 * and against administrators who reach for more than they hold.
 *
 * Does not decide what a person may do (access), does not limit requests by address (the perimeter), does not send
 * mail: links are handed out by the person who made them. Known devices with attempt buckets of their own, passkeys,
 * a keyed pepper for password hashes, federation, API keys and access tokens have their places but are not here.
 *
 * Limits: passwords of 1,024 bytes, 64 of them waiting to be hashed, 50,000 sessions in memory for five seconds each,
 * five wrong passwords or ten wrong codes in fifteen minutes, two hundred rows in a list.
 *
 * Fails closed: when the database, the audit, the pepper or the tenant's key cannot be reached, nobody signs in.
 *
 * @module
 */
export { IdentityConfig } from "./config.ts";
export { type Credentials, createHasher, type Hasher, type Pepper, sessionToken } from "./credentials/index.ts";
export { createIdentity, type Identity } from "./identity.ts";
export type { IssuedLink } from "./links.ts";
export type { IdentityOptions, LoginPending, Origin, Sealer, SessionOpened, SignedIn } from "./parts.ts";
export type { UserView } from "./people.ts";
export type { RecoveryKind } from "./recovery.ts";
export { requests } from "./requests.ts";
export type { Enrolment } from "./second-factor.ts";
export type { SessionView } from "./sessions.ts";
export type { TenantAuthority, WantedTenant } from "./tenants.ts";
