import { hash } from "node:crypto";
import { LRUCache } from "lru-cache";
import { assert, type Bus, type Invalidation, type TenantId, type TenantKey, tenantKey } from "../../core/index.ts";
import type { Principal } from "../access/index.ts";

/** After this long an entry is read again, whatever the bus says: the bound on what a lost message can do. */
const REVALIDATE_MS = 5_000;

/** One session as it was read, with the times that can end its use without another read. */
export interface CachedSession {
  readonly principal: Principal;
  readonly readMs: number;
  /** When idle or absolute life ends, or the row is due to be touched, whichever comes first. */
  readonly goodUntilMs: number;
  /** When idle or absolute life ends: a look, which touches nothing, is answered until then. */
  readonly endsMs: number;
}

/**
 * Sessions this node has seen lately, by a digest of the bearer token. Keys do not start with the tenant as others do:
 * 256 random bits name one session of one tenant, and the tenant is not known before the look-up.
 *
 * Bounded in entries and age. Emptied when the bus loses or regains its connection, and not consulted while it is down.
 */
export class SessionCache {
  readonly #bus: Bus;
  readonly #entries: LRUCache<string, CachedSession>;
  // So that a revocation does not walk the whole cache. A session has one token, hence one key.
  readonly #bySession = new Map<string, string>();
  readonly #byUser = new Map<TenantKey, Set<string>>();
  #generation = 0;
  readonly #unsubscribe: readonly (() => void)[];

  constructor(bus: Bus, entriesMax: number) {
    this.#bus = bus;
    this.#entries = new LRUCache({ max: entriesMax, dispose: (session, key) => this.#unindex(session, key) });
    this.#unsubscribe = [bus.subscribe((message) => this.forget(message)), bus.onGap(() => this.clear())];
  }

  /** The cache's name for a token: a plain digest, since it never leaves memory and the token has 256 bits. */
  key(token: string): string {
    return hash("sha256", token, "base64");
  }

  /** @param isUse - False for a look, which is answered until the session ends: it never touches the row. */
  get(key: string, nowMs: number, isUse = true): Principal | undefined {
    if (!this.#bus.up) return undefined;
    const session = this.#entries.get(key);
    if (session === undefined) return undefined;
    // A clock that went backwards makes an entry look young for ever: also read again.
    const ageMs = nowMs - session.readMs;
    if (ageMs < 0 || ageMs >= REVALIDATE_MS) return undefined;
    return nowMs < (isUse ? session.goodUntilMs : session.endsMs) ? session.principal : undefined;
  }

  /** Take before reading from the database and hand to `put`: what was read before a revocation must not be kept. */
  get generation(): number {
    return this.#generation;
  }

  put(key: string, session: CachedSession, generation: number): void {
    if (!this.#bus.up || generation !== this.#generation) return;
    assert(session.endsMs > session.readMs, "only a session that is good is kept");
    assert(session.goodUntilMs <= session.endsMs, "no use outlives the session");
    this.#entries.set(key, session);
    this.#bySession.set(session.principal.session, key);
    const user = userKey(session.principal.tenant, session.principal.user);
    const keys = this.#byUser.get(user) ?? new Set();
    keys.add(key);
    this.#byUser.set(user, keys);
  }

  /** Forgets what a message names, at once. Also called by the node that caused it, without waiting for the bus. */
  forget(message: Invalidation): void {
    switch (message.kind) {
      case "session":
        this.#generation += 1;
        this.#entries.delete(this.#bySession.get(message.id) ?? "");
        break;
      case "user":
        this.#generation += 1;
        this.#forgetUser(userKey(message.tenant, message.id));
        break;
      case "tenant":
        this.#generation += 1;
        this.#forgetTenant(message.id);
        break;
      case "epoch":
        this.#generation += 1;
        this.#forgetUser(userKey(message.tenant, message.id));
        if (message.id === message.tenant) this.#forgetTenant(message.id);
        break;
      case "key":
      case "secret":
        break;
    }
  }

  clear(): void {
    this.#generation += 1;
    this.#entries.clear();
    assert(this.#byUser.size === 0 && this.#bySession.size === 0, "the index holds nothing that the cache does not");
  }

  close(): void {
    for (const unsubscribe of this.#unsubscribe) unsubscribe();
    this.clear();
  }

  #forgetUser(user: TenantKey): void {
    for (const key of this.#byUser.get(user) ?? []) this.#entries.delete(key);
  }

  #forgetTenant(tenant: string): void {
    for (const [key, { principal }] of this.#entries.entries()) {
      if (principal.tenant === tenant) this.#entries.delete(key);
    }
  }

  #unindex(session: CachedSession, key: string): void {
    this.#bySession.delete(session.principal.session);
    const user = userKey(session.principal.tenant, session.principal.user);
    const keys = this.#byUser.get(user);
    keys?.delete(key);
    if (keys?.size === 0) this.#byUser.delete(user);
  }
}

function userKey(tenant: TenantId, user: string): TenantKey {
  return tenantKey(tenant, "user", user);
}
