import ipaddr from "ipaddr.js";
import type {
  AnonymousActor,
  AuditContext,
  Bus,
  Clock,
  Database,
  PlainSecret,
  Recorder,
  SessionId,
  TenantId,
} from "../../core/index.ts";
import type { TenantRegister, TenantSettingsStore } from "../../data/tenants/index.ts";
import type { IdentityConfig } from "./config.ts";
import type { Hasher, Pepper } from "./credentials/index.ts";
import type { SessionCache } from "./session-cache.ts";

/** Seals a second factor's seed with its tenant's key; `context` is bound, so a seed cannot be moved to another user. */
export interface Sealer {
  seal(tenant: TenantId, context: readonly string[], bytes: Buffer): Promise<Buffer>;
  open(tenant: TenantId, context: readonly string[], sealed: Buffer): Promise<Buffer>;
}

/** What identity is made from. Everything outside comes in here. */
export interface IdentityOptions {
  readonly database: Database;
  readonly recorder: Recorder;
  readonly sealer: Sealer;
  readonly pepper: Pepper;
  readonly clock: Clock;
  readonly bus: Bus;
  readonly hasher: Hasher;
  readonly config: IdentityConfig;
  /** Those of the installation; made of the other parts when left out. */
  readonly register?: TenantRegister;
  readonly settings?: TenantSettingsStore;
}

export interface Parts extends IdentityOptions {
  readonly cache: SessionCache;
  readonly register: TenantRegister;
  readonly settings: TenantSettingsStore;
}

/** Where a request came from, as the perimeter found it. */
export type Origin = AuditContext;

/** A person is in: the bearer token, told once, and the public name of the session. */
export interface SessionOpened {
  readonly kind: "session";
  readonly token: PlainSecret;
  readonly session: SessionId;
  readonly expiresMs: number;
}

/** The password was right and that is not enough. This token does nothing but finish the sign-in. */
export interface LoginPending {
  readonly kind: "login";
  readonly token: PlainSecret;
  /** `code`: give a code. `enrol`: set up the second factor that this role or account needs. */
  readonly next: "code" | "enrol";
  readonly expiresMs: number;
}

/** What a right first factor leads to. */
export type SignedIn = SessionOpened | LoginPending;

export function anonymous(tenant: TenantId): AnonymousActor {
  return { type: "anonymous", tenant };
}

// Enough to recognise a place in a list of sessions, too little to find a person: the sizes that providers hand out.
const PREFIX_BITS_V4 = 24;
const PREFIX_BITS_V6 = 48;
const USER_AGENT_MAX = 256;

/** The network of an address, as `192.0.2.0/24` or `2001:db8:1::/48`; null when there is none or it cannot be read. */
export function addressPrefix(address: string | undefined): string | null {
  if (address === undefined || address.length > 64) return null;
  try {
    const parsed = ipaddr.process(address);
    return parsed.kind() === "ipv4"
      ? `${ipaddr.IPv4.networkAddressFromCIDR(`${parsed.toString()}/${PREFIX_BITS_V4}`).toString()}/${PREFIX_BITS_V4}`
      : `${ipaddr.IPv6.networkAddressFromCIDR(`${parsed.toString()}/${PREFIX_BITS_V6}`).toString()}/${PREFIX_BITS_V6}`;
  } catch {
    // ipaddr.js throws on anything that is not an address. A session without a place is still a session.
    return null;
  }
}

/** The start of the header, for showing. NUL and broken characters cannot be stored. */
export function shownUserAgent(userAgent: string | undefined): string | null {
  return userAgent === undefined ? null : userAgent.replaceAll("\0", "").slice(0, USER_AGENT_MAX).toWellFormed();
}
