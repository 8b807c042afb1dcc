import {
  type Actor,
  actorTenant,
  type Bus,
  type Clock,
  type PlainSecret,
  type Recorder,
  RingwallError,
  type TenantId,
} from "../../core/index.ts";
import { cacheKey, WarmCache } from "../keys/index.ts";
import { secretEvent } from "./marks.ts";
import { secretName } from "./name.ts";
import { mayRead, type Scope, scopeTenant } from "./scope.ts";
import { type SecretStore, secretKey } from "./store.ts";

/** What reading stands on, whatever store the values are in. */
export interface SecretReaderOptions {
  readonly store: SecretStore;
  readonly recorder: Recorder;
  readonly bus: Bus;
  readonly clock: Clock;
  /** How long a value is kept in this process. Default 300, the founding document's. */
  readonly cacheSeconds?: number;
}

/** Values by name, from memory or from the store, and never unseen. */
export interface SecretReader {
  /**
   * The value in use. From the process's memory when it was read within `cacheSeconds`, and then without a promise;
   * audited in either case. However many ask at once, the store is asked once.
   *
   * @throws RingwallError `secrets.not_found` when there is none, and when the actor may not read it: the two look the
   * same, and so does a store that refuses this process: the record and the error's detail say which it was.
   * `secrets.expired`, `secrets.unavailable`, `database.unavailable`, `audit.unavailable`: never a fallback.
   */
  get(name: string, scope: Scope): PlainSecret | Promise<PlainSecret>;
  /** The same, but asks the store: for a credential that was just refused. */
  getFresh(name: string, scope: Scope): Promise<PlainSecret>;
  /** The next read of this secret asks the store. */
  forget(tenant: TenantId, name: string): void;
  /** Stops listening and forgets every value. */
  close(): void;
}

const CACHE_SECONDS = 300;
// Most are short; at the limit of 64 KiB each this is 64 MiB.
const SECRETS_MAX = 1_024;
/** What an operator has to see as the store's refusal, and not as a secret that nobody made. */
const REFUSED = "secrets.denied";

interface Held {
  readonly loadedMs: number;
  readonly value: PlainSecret;
  readonly facts: { readonly version: number | string };
  readonly expiresMs: number | null;
}

/**
 * Reads secrets out of any store: memory, single flight, expiry and audit above it. In memory a value outlives an outage
 * of the store by its age at most. A change that another program makes in a store of its own is seen when the value has
 * reached that age, or with `getFresh`; of Ringwall's own changes every node hears at once.
 */
export function createSecretReader(options: SecretReaderOptions): SecretReader {
  return new Reader(options);
}

class Reader implements SecretReader {
  readonly #options: SecretReaderOptions;
  readonly #held: WarmCache<Held>;

  constructor(options: SecretReaderOptions) {
    this.#options = options;
    const ageMsMax = (options.cacheSeconds ?? CACHE_SECONDS) * 1_000;
    const { bus, clock } = options;
    this.#held = new WarmCache({ bus, clock, kind: "secret", ageMsMax, entriesMax: SECRETS_MAX });
  }

  get(name: string, scope: Scope): PlainSecret | Promise<PlainSecret> {
    const tenant = this.#admit(name, scope);
    const held = this.#held.warm(cacheKey(tenant, name));
    return held === undefined ? this.#read(tenant, name, scope.actor) : this.#handOut(tenant, name, scope.actor, held);
  }

  async getFresh(name: string, scope: Scope): Promise<PlainSecret> {
    const tenant = this.#admit(name, scope);
    this.#held.forget(cacheKey(tenant, name));
    return await this.#read(tenant, name, scope.actor);
  }

  forget(tenant: TenantId, name: string): void {
    this.#held.forget(cacheKey(tenant, name));
  }

  close(): void {
    this.#held.close();
  }

  async #read(tenant: TenantId, name: string, actor: Actor): Promise<PlainSecret> {
    let held: Held;
    try {
      held = await this.#held.load(cacheKey(tenant, name), () => this.#fetch(tenant, name, actor));
    } catch (error) {
      // Everyone who waited was refused, and each of them is told to the audit.
      const code = error instanceof RingwallError ? error.code : "internal";
      const facts = code === "secrets.not_found" ? {} : { code };
      const outcome = code === REFUSED ? "denied" : code === "secrets.not_found" ? "failure" : "error";
      this.#options.recorder.note(secretEvent("secret.read", outcome, tenant, actor, name, facts));
      if (code !== REFUSED) throw error;
      throw new RingwallError("secrets.not_found", {
        detail: { tenant, secret: name, reason: "denied" },
        cause: error,
      });
    }
    return this.#handOut(tenant, name, actor, held);
  }

  async #fetch(tenant: TenantId, name: string, actor: Actor): Promise<Held> {
    const { clock, store } = this.#options;
    const loadedMs = clock();
    const found = await store.read(secretKey(tenant, name), actor);
    if (found === undefined) throw new RingwallError("secrets.not_found", { detail: { tenant, secret: name } });
    const { expiresMs, value, version } = found;
    // Our own versions are numbers in the records.
    const facts = { version: /^[0-9]{1,9}$/.test(version) ? Number(version) : version };
    return { loadedMs, value, facts, expiresMs };
  }

  /** The one way out for a value, cached or not: expiry first, then audit, and only then the value. */
  #handOut(tenant: TenantId, name: string, actor: Actor, held: Held): PlainSecret {
    const { recorder, clock } = this.#options;
    const { expiresMs, facts, value } = held;
    const expired = expiresMs !== null && clock() >= expiresMs;
    recorder.note(secretEvent("secret.read", expired ? "failure" : "success", tenant, actor, name, facts));
    if (expired) throw new RingwallError("secrets.expired", { detail: { tenant, secret: name, ...facts } });
    return value;
  }

  #admit(name: string, scope: Scope): TenantId {
    secretName(name);
    const tenant = scopeTenant(scope);
    if (!mayRead(scope.actor, tenant)) throw refuse(this.#options.recorder, tenant, scope.actor, name);
    return tenant;
  }
}

/** Looks like a missing secret from outside; the audit of the actor's own tenant knows better. */
export function refuse(recorder: Recorder, tenant: TenantId, actor: Actor, name: string): RingwallError {
  const own = actorTenant(actor) ?? tenant;
  recorder.note(secretEvent("access.denied", "denied", own, actor, name, { scope: tenant }));
  return new RingwallError("secrets.not_found", { detail: { tenant, secret: name } });
}
