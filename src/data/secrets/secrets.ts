import {
  type Actor,
  actorTenant,
  type Bus,
  type Clock,
  type Database,
  isoTime,
  PlainSecret,
  type Recorder,
  RingwallError,
  type TenantId,
} from "../../core/index.ts";
import { cacheKey, type Keys, WarmCache } from "../keys/index.ts";
import { secretContext, secretEvent } from "./marks.ts";
import { secretBytes, secretName } from "./name.ts";
import { type Rotator, rotateSecret } from "./rotation.ts";
import { mayRead, mayWrite, type Scope, scopeTenant } from "./scope.ts";
import { ADD_VERSION, ENSURE, LIST, LOCK_POINTERS, POINT_CURRENT, READ_CURRENT } from "./statements.ts";

/** What can be known of a secret without its value. */
export interface SecretSummary {
  readonly name: string;
  /** Null while the first value is still being made. */
  readonly version: number | null;
  /** A rotation was begun and has not finished; the next one finishes it. */
  readonly rotationPending: boolean;
  readonly createdMs: number;
  /** When the version in use was written: its age is the clock less this. */
  readonly changedMs: number | null;
  readonly expiresMs: number | null;
}

/** The secret store: read by name at run time, versioned, rotated in two phases. */
export interface Secrets {
  /**
   * The value in use. From the process's memory when it was read within `cacheSeconds`, and then without a promise;
   * audited in either case.
   *
   * @throws RingwallError `secrets.not_found` when there is none, and when the actor may not read it: the two look the
   * same. `secrets.expired`, `database.unavailable`, `audit.unavailable`: never a fallback.
   */
  get(name: string, scope: Scope): PlainSecret | Promise<PlainSecret>;
  /** The same, but asks the database: for a credential that was just refused. */
  getFresh(name: string, scope: Scope): Promise<PlainSecret>;
  /**
   * Writes a new version and makes it the one in use.
   * @returns Its number, counted from 1.
   * @throws RingwallError `resource.conflict` when a rotation is unfinished, or `expectedVersion` is not the one in use.
   */
  set(
    name: string,
    value: PlainSecret,
    scope: Scope & { readonly expiresMs?: number; readonly expectedVersion?: number },
  ): Promise<number>;
  /** Names, versions and ages, 1,000 at a time by name; never values. */
  list(scope: Scope & { readonly after?: string }): Promise<readonly SecretSummary[]>;
  /**
   * Replaces the value here and where it is used, in steps of which each can be the last: a crash at any step is
   * finished by the next call. Readers have the old value until the new one was tested.
   *
   * @returns The version in use then.
   * @throws RingwallError `secrets.rotation_failed` when the target could not be changed; `secrets.rotation_running`.
   */
  rotate(name: string, rotator: Rotator, scope: Scope): Promise<number>;
  /** Stops listening and forgets every value. */
  close(): void;
}

/** What the secret store stands on. */
export interface SecretsOptions {
  /** Needs two connections at once while it rotates. */
  readonly database: Database;
  readonly keys: Keys;
  readonly recorder: Recorder;
  readonly bus: Bus;
  readonly clock: Clock;
  /** How long a value is kept in this process. Default 300, the founding document's. */
  readonly cacheSeconds?: number;
}

const CACHE_SECONDS = 300;
// Most are short; at the limit of 64 KiB each this is 64 MiB.
const SECRETS_MAX = 1_024;

interface Held {
  readonly loadedMs: number;
  readonly value: PlainSecret;
  readonly version: number;
  readonly expiresMs: number | null;
}

/** Ringwall's own secret store: sealed by the key tree, in PostgreSQL behind the tenant wall. */
export function createSecrets(options: SecretsOptions): Secrets {
  return new SecretStore(options);
}

class SecretStore implements Secrets {
  readonly #options: SecretsOptions;
  readonly #held: WarmCache<Held>;

  constructor(options: SecretsOptions) {
    this.#options = options;
    const ageMsMax = (options.cacheSeconds ?? CACHE_SECONDS) * 1_000;
    const { bus, clock } = options;
    this.#held = new WarmCache({ bus, clock, kind: "secret", ageMsMax, entriesMax: SECRETS_MAX });
  }

  get(name: string, scope: Scope): PlainSecret | Promise<PlainSecret> {
    const tenant = this.#admitReader(name, scope);
    const held = this.#held.warm(cacheKey(tenant, name));
    return held === undefined ? this.#read(tenant, name, scope.actor) : this.#handOut(tenant, name, scope.actor, held);
  }

  async getFresh(name: string, scope: Scope): Promise<PlainSecret> {
    const tenant = this.#admitReader(name, scope);
    this.#held.forget(cacheKey(tenant, name));
    return await this.#read(tenant, name, scope.actor);
  }

  async set(name: string, value: PlainSecret, scope: Parameters<Secrets["set"]>[2]): Promise<number> {
    const { database, keys, recorder } = this.#options;
    const tenant = this.#admitWriter(name, scope);
    const bytes = secretBytes(value);
    // Loaded before the transaction, so that it does not wait for another connection while it holds the row.
    await keys.current(tenant, "secrets");
    const version = await database.forTenant(tenant, scope.actor, async (tx) => {
      await tx.run(ENSURE, [name]);
      const [pointers] = await tx.run(LOCK_POINTERS, [name]);
      if (pointers === undefined) throw new RingwallError("internal", { detail: { what: "secret row vanished" } });
      refuseConflict(pointers, scope.expectedVersion);
      const next = pointers.latest_version + 1;
      const sealed = await keys.sealValue(tenant, "secrets", secretContext(name, next), bytes);
      const expires = scope.expiresMs === undefined ? null : isoTime(scope.expiresMs);
      await tx.run(ADD_VERSION, [name, next, sealed, expires]);
      await tx.run(POINT_CURRENT, [name, next]);
      tx.invalidate({ kind: "secret", tenant, id: name });
      const action = pointers.current_version === null ? "secret.created" : "secret.changed";
      await recorder.record(tx, secretEvent(action, "success", tenant, scope.actor, name, { version: next }));
      return next;
    });
    bytes.fill(0);
    // This node need not wait for its own message.
    this.#held.forget(cacheKey(tenant, name));
    return version;
  }

  async list(scope: Parameters<Secrets["list"]>[0]): Promise<readonly SecretSummary[]> {
    const tenant = scopeTenant(scope);
    const { actor, after } = scope;
    if (!mayWrite(actor, tenant) && !mayRead(actor, tenant)) throw this.#refuse(tenant, actor, "*");
    if (after !== undefined) secretName(after);
    const rows = await this.#options.database.once(tenant, actor, LIST, [after ?? ""]);
    return rows.map((row) => ({
      name: row.name,
      version: row.current_version,
      rotationPending: row.pending_version !== null,
      createdMs: row.created_ms,
      changedMs: row.changed_ms,
      expiresMs: row.expires_ms,
    }));
  }

  async rotate(name: string, rotator: Rotator, scope: Scope): Promise<number> {
    const tenant = this.#admitWriter(name, scope);
    try {
      return await rotateSecret(this.#options, { tenant, name, actor: scope.actor, rotator });
    } finally {
      // Whatever happened, the next read asks the database.
      this.#held.forget(cacheKey(tenant, name));
    }
  }

  close(): void {
    this.#held.close();
  }

  async #read(tenant: TenantId, name: string, actor: Actor): Promise<PlainSecret> {
    const held = await this.#held.load(cacheKey(tenant, name), () => this.#fetch(tenant, name, actor));
    return this.#handOut(tenant, name, actor, held);
  }

  async #fetch(tenant: TenantId, name: string, actor: Actor): Promise<Held> {
    const { database, keys, recorder, clock } = this.#options;
    const loadedMs = clock();
    const [row] = await database.once(tenant, actor, READ_CURRENT, [name]);
    if (row === undefined) {
      recorder.note(secretEvent("secret.read", "failure", tenant, actor, name));
      throw new RingwallError("secrets.not_found", { detail: { tenant, secret: name } });
    }
    const bytes = await keys.openValue(tenant, "secrets", secretContext(name, row.version), row.sealed);
    const value = new PlainSecret(bytes.toString("utf8"));
    bytes.fill(0);
    return { loadedMs, value, version: row.version, expiresMs: row.expires_ms };
  }

  /** The one way out for a value, cached or not: expiry first, then audit, and only then the value. */
  #handOut(tenant: TenantId, name: string, actor: Actor, held: Held): PlainSecret {
    const { recorder, clock } = this.#options;
    const expired = held.expiresMs !== null && clock() >= held.expiresMs;
    const facts = { version: held.version };
    recorder.note(secretEvent("secret.read", expired ? "failure" : "success", tenant, actor, name, facts));
    if (expired)
      throw new RingwallError("secrets.expired", { detail: { tenant, secret: name, version: held.version } });
    return held.value;
  }

  #admitReader(name: string, scope: Scope): TenantId {
    secretName(name);
    const tenant = scopeTenant(scope);
    if (!mayRead(scope.actor, tenant)) throw this.#refuse(tenant, scope.actor, name);
    return tenant;
  }

  #admitWriter(name: string, scope: Scope): TenantId {
    secretName(name);
    const tenant = scopeTenant(scope);
    if (!mayWrite(scope.actor, tenant)) throw this.#refuse(tenant, scope.actor, name);
    return tenant;
  }

  /** Looks like a missing secret from outside; the audit of the actor's own tenant knows better. */
  #refuse(tenant: TenantId, actor: Actor, name: string): RingwallError {
    const own = actorTenant(actor) ?? tenant;
    this.#options.recorder.note(secretEvent("access.denied", "denied", own, actor, name, { scope: tenant }));
    return new RingwallError("secrets.not_found", { detail: { tenant, secret: name } });
  }
}

function refuseConflict(
  pointers: { readonly current_version: number | null; readonly pending_version: number | null },
  expectedVersion: number | undefined,
): void {
  if (pointers.pending_version !== null) {
    throw new RingwallError("resource.conflict", {
      message: "a rotation of this secret is unfinished: rotate it again",
    });
  }
  if (expectedVersion !== undefined && expectedVersion !== (pointers.current_version ?? 0)) {
    throw new RingwallError("resource.conflict", { message: "the secret was changed by somebody else meanwhile" });
  }
}
