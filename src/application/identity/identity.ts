import type { TenantId, UserId } from "../../core/index.ts";
import { type TenantEntry, tenantRegister, tenantSettings } from "../../data/tenants/index.ts";
import type { Principal, Role } from "../access/index.ts";
import { beginEnrolment, confirmEnrolment, stepUp } from "./factors.ts";
import { acceptInvitation, type IssuedLink, issueBootstrap, type JoinInput, redeemBootstrap } from "./links.ts";
import type { IdentityOptions, Origin, Parts, SessionOpened, SignedIn } from "./parts.ts";
import {
  changeRole,
  disableUser,
  enableUser,
  type InvitationView,
  inviteLocally,
  inviteUser,
  listInvitations,
  listUsers,
  readUser,
  type UserView,
  withdrawInvitation,
} from "./people.ts";
import { issueRecovery, type RecoveryKind, redeemRecovery } from "./recovery.ts";
import { beginLoginEnrolment, confirmLoginEnrolment, type Enrolment, giveCode } from "./second-factor.ts";
import { SessionCache } from "./session-cache.ts";
import {
  authenticate,
  listSessions,
  listSessionsLocally,
  revokeSession,
  revokeSessionLocally,
  revokeSessions,
  type SessionView,
} from "./sessions.ts";
import { type SignInInput, signIn } from "./sign-in.ts";
import {
  createTenant,
  inviteFirstOwner,
  listTenants,
  requireLivingTenant,
  requireTenant,
  resumeTenant,
  suspendTenant,
  type TenantAuthority,
  type WantedTenant,
} from "./tenants.ts";

/** Everything identity does. The functions behind it document what they refuse, and how. */
export class Identity {
  readonly #parts: Parts;

  constructor(options: IdentityOptions) {
    this.#parts = {
      ...options,
      register: options.register ?? tenantRegister(options),
      settings: options.settings ?? tenantSettings(options),
      cache: new SessionCache(options.bus, options.config.session.cacheEntries),
    };
  }

  /** Who holds this bearer token. Synchronous while this node knows the session. */
  authenticate(token: string): Principal | Promise<Principal> {
    return authenticate(this.#parts, token);
  }

  /** Who holds this bearer token, without this being a use of the session: an idle one ends all the same. */
  look(token: string): Principal | Promise<Principal> {
    return authenticate(this.#parts, token, false);
  }

  async signIn(input: SignInInput, origin: Origin): Promise<SignedIn> {
    return await signIn(this.#parts, input, origin);
  }

  async giveCode(login: string, code: string, origin: Origin): Promise<SessionOpened> {
    return await giveCode(this.#parts, login, code, origin);
  }

  async beginLoginEnrolment(login: string): Promise<Enrolment> {
    return await beginLoginEnrolment(this.#parts, login);
  }

  async confirmLoginEnrolment(login: string, code: string, origin: Origin): Promise<SessionOpened> {
    return await confirmLoginEnrolment(this.#parts, login, code, origin);
  }

  async stepUp(principal: Principal, code: string, origin: Origin): Promise<SessionOpened> {
    return await stepUp(this.#parts, principal, code, origin);
  }

  async beginEnrolment(principal: Principal, password: string, origin: Origin): Promise<Enrolment> {
    return await beginEnrolment(this.#parts, principal, password, origin);
  }

  async confirmEnrolment(principal: Principal, code: string, origin: Origin): Promise<SessionOpened> {
    return await confirmEnrolment(this.#parts, principal, code, origin);
  }

  async listSessions(principal: Principal, user?: UserId): Promise<SessionView[]> {
    return await listSessions(this.#parts, principal, user);
  }

  async revokeSession(principal: Principal, session: string): Promise<void> {
    await revokeSession(this.#parts, principal, session);
  }

  /** Every session of a user; one's own when none is named, the present one included. */
  async revokeSessions(principal: Principal, user?: UserId): Promise<void> {
    await revokeSessions(this.#parts, principal, user);
  }

  async signOut(principal: Principal): Promise<void> {
    await revokeSession(this.#parts, principal, principal.session);
  }

  async issueBootstrap(): Promise<IssuedLink> {
    return await issueBootstrap(this.#parts);
  }

  async redeemBootstrap(input: JoinInput & { readonly email: string }, origin: Origin): Promise<SignedIn> {
    return await redeemBootstrap(this.#parts, input, origin);
  }

  async acceptInvitation(input: JoinInput, origin: Origin): Promise<SignedIn> {
    return await acceptInvitation(this.#parts, input, origin);
  }

  async listUsers(principal: Principal, after?: string): Promise<UserView[]> {
    return await listUsers(this.#parts, principal, after);
  }

  async readUser(principal: Principal, user: string): Promise<UserView> {
    return await readUser(this.#parts, principal, user);
  }

  async inviteUser(principal: Principal, invited: { email: string; role: Role }): Promise<IssuedLink> {
    return await inviteUser(this.#parts, principal, invited);
  }

  async listInvitations(principal: Principal, after?: string): Promise<InvitationView[]> {
    return await listInvitations(this.#parts, principal, after);
  }

  async withdrawInvitation(principal: Principal, email: string): Promise<void> {
    await withdrawInvitation(this.#parts, principal, email);
  }

  async changeRole(principal: Principal, user: string, role: Role): Promise<void> {
    await changeRole(this.#parts, principal, user, role);
  }

  async disableUser(principal: Principal, user: string): Promise<void> {
    await disableUser(this.#parts, principal, user);
  }

  async enableUser(principal: Principal, user: string): Promise<void> {
    await enableUser(this.#parts, principal, user);
  }

  async issueRecovery(principal: Principal, user: string, kind: RecoveryKind): Promise<IssuedLink> {
    return await issueRecovery(this.#parts, principal, user, kind);
  }

  async redeemRecovery(input: { token: string; password: string }, origin: Origin): Promise<SignedIn> {
    return await redeemRecovery(this.#parts, input, origin);
  }

  /** For the machine's own operator: the sessions of a tenant, or of one user of it. The tenant's audit shows it. */
  async listSessionsLocally(tenant: TenantId, user?: UserId): Promise<SessionView[]> {
    await requireTenant(this.#parts, tenant);
    return await listSessionsLocally(this.#parts, tenant, user);
  }

  async revokeSessionLocally(tenant: TenantId, session: string): Promise<void> {
    await requireTenant(this.#parts, tenant);
    await revokeSessionLocally(this.#parts, tenant, session);
  }

  async inviteLocally(tenant: TenantId, invited: { email: string; role: Role }): Promise<IssuedLink> {
    await requireLivingTenant(this.#parts, tenant);
    return await inviteLocally(this.#parts, tenant, invited);
  }

  async listTenants(by: TenantAuthority, after?: string): Promise<readonly TenantEntry[]> {
    return await listTenants(this.#parts, by, after);
  }

  /** @throws RingwallError `resource.not_found` when there is no such tenant, suspended or not. */
  async requireTenant(tenant: TenantId): Promise<void> {
    await requireTenant(this.#parts, tenant);
  }

  /** @throws RingwallError `resource.not_found` when there is none, or when its end has begun. */
  async requireLivingTenant(tenant: TenantId): Promise<void> {
    await requireLivingTenant(this.#parts, tenant);
  }

  async createTenant(by: TenantAuthority, wanted: WantedTenant): Promise<TenantId> {
    return await createTenant(this.#parts, by, wanted);
  }

  async inviteFirstOwner(by: TenantAuthority, tenant: TenantId, email: string): Promise<IssuedLink> {
    return await inviteFirstOwner(this.#parts, by, tenant, email);
  }

  async suspendTenant(by: TenantAuthority, tenant: TenantId): Promise<void> {
    await suspendTenant(this.#parts, by, tenant);
  }

  async resumeTenant(by: TenantAuthority, tenant: TenantId): Promise<void> {
    await resumeTenant(this.#parts, by, tenant);
  }

  /** Stops listening to the bus and forgets every session. */
  close(): void {
    this.#parts.cache.close();
  }
}

/**
 * Identity over its ports. Listens to the bus from now on; `close` when done.
 * @example const principal = await createIdentity(options).authenticate(token);
 */
export function createIdentity(options: IdentityOptions): Identity {
  return new Identity(options);
}
