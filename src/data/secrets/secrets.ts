import type { Bus, Clock, Database, PlainSecret, Recorder, TenantId } from "../../core/index.ts";
import type { Keys } from "../keys/index.ts";
import { secretName } from "./name.ts";
import { databaseSecretStore, type OwnSecretStore, type SetOptions } from "./own-store.ts";
import { createSecretReader, refuse, type SecretReader } from "./reader.ts";
import { type Rotator, rotateSecret } from "./rotation.ts";
import { mayRead, mayWrite, type Scope, scopeTenant } from "./scope.ts";
import { LIST } from "./statements.ts";
import { secretKey } from "./store.ts";

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
export interface Secrets extends Pick<SecretReader, "get" | "getFresh" | "close"> {
  /**
   * Writes a new version and makes it the one in use.
   * @returns Its number, counted from 1.
   * @param scope.abandonRotation - Writes over an unfinished rotation: for when its target was set by hand.
   * @throws RingwallError `resource.conflict` when a rotation is unfinished, or `expectedVersion` is not the one in use.
   */
  set(name: string, value: PlainSecret, scope: Scope & SetOptions): Promise<number>;
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

/** Ringwall's own secret store: sealed by the key tree, in PostgreSQL behind the tenant wall. */
export function createSecrets(options: SecretsOptions): Secrets {
  return new OwnSecrets(options);
}

class OwnSecrets implements Secrets {
  readonly #options: SecretsOptions;
  readonly #store: OwnSecretStore;
  readonly #reader: SecretReader;

  constructor(options: SecretsOptions) {
    this.#options = options;
    const { bus, cacheSeconds, clock, recorder } = options;
    this.#store = databaseSecretStore(options);
    const age = cacheSeconds === undefined ? {} : { cacheSeconds };
    this.#reader = createSecretReader({ store: this.#store, recorder, bus, clock, ...age });
  }

  get(name: string, scope: Scope): PlainSecret | Promise<PlainSecret> {
    return this.#reader.get(name, scope);
  }

  getFresh(name: string, scope: Scope): Promise<PlainSecret> {
    return this.#reader.getFresh(name, scope);
  }

  async set(name: string, value: PlainSecret, scope: Scope & SetOptions): Promise<number> {
    const tenant = this.#admitWriter(name, scope);
    const version = await this.#store.put(secretKey(tenant, name), value, scope);
    // This node need not wait for its own message.
    this.#reader.forget(tenant, name);
    return version;
  }

  async list(scope: Parameters<Secrets["list"]>[0]): Promise<readonly SecretSummary[]> {
    const tenant = scopeTenant(scope);
    const { actor, after } = scope;
    if (!mayWrite(actor, tenant) && !mayRead(actor, tenant)) throw refuse(this.#options.recorder, tenant, actor, "*");
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
      this.#reader.forget(tenant, name);
    }
  }

  close(): void {
    this.#reader.close();
  }

  #admitWriter(name: string, scope: Scope): TenantId {
    secretName(name);
    const tenant = scopeTenant(scope);
    if (!mayWrite(scope.actor, tenant)) throw refuse(this.#options.recorder, tenant, scope.actor, name);
    return tenant;
  }
}
