import { timingSafeEqual } from "node:crypto";
import { LRUCache } from "lru-cache";
import {
  type Actor,
  assert,
  type Bus,
  type Clock,
  PLATFORM_TENANT,
  RingwallError,
  type TenantId,
} from "../../core/index.ts";
import { commitmentOf, keyFrom } from "./derive.ts";
import { decryptFailed } from "./envelope.ts";
import type { MasterKey } from "./master.ts";
import { openValueWith, sealedValueVersion, sealValueWith } from "./sealed-value.ts";
import { KEY_KEEPER, KEY_VERSIONS_MAX, type KeyStore, refuseOtherMaster, type WrappedKey } from "./store.ts";
import { type KeyPurpose, type ServicePurpose, TenantKey, type TenantPurpose } from "./tenant-key.ts";

/** The key tree. What is warm is answered at once, without a promise. */
export interface Keys {
  /** The key to seal with: the newest version, made on first use. */
  current(tenant: TenantId, purpose: TenantPurpose): TenantKey | Promise<TenantKey>;
  /** @throws RingwallError `keys.decrypt_failed` when there is no such version. */
  version(tenant: TenantId, purpose: TenantPurpose, version: number): TenantKey | Promise<TenantKey>;
  /** A key of the installation: peppers, commitments. */
  service(purpose: ServicePurpose): TenantKey | Promise<TenantKey>;
  /** Every live version of a service key, newest first: a keyed hash made before a rotation is still found. */
  serviceVersions(purpose: ServicePurpose): Promise<readonly TenantKey[]>;
  /** Seals a value that has no row, under the tenant's key for `purpose`, bound to `context`. */
  sealValue(
    tenant: TenantId,
    purpose: TenantPurpose,
    context: readonly string[],
    bytes: Uint8Array,
  ): Buffer | Promise<Buffer>;
  /** @throws RingwallError `keys.decrypt_failed` */
  openValue(
    tenant: TenantId,
    purpose: TenantPurpose,
    context: readonly string[],
    sealed: Buffer,
  ): Buffer | Promise<Buffer>;
  /** Makes the next version. What is sealed with older ones stays readable. Audited in the same transaction. */
  rotate(tenant: TenantId, purpose: KeyPurpose, actor: Actor): Promise<number>;
  /** Stops listening and forgets every key. */
  close(): void;
}

export interface KeysOptions {
  readonly master: MasterKey;
  readonly store: KeyStore;
  readonly bus: Bus;
  readonly clock: Clock;
  /** How long an unwrapped key may be used before the master is asked again. Default 300, the founding document's. */
  readonly cacheSeconds?: number;
}

const CACHE_SECONDS = 300;
// About 1 KiB each; a node that serves more tenants at once than this asks the master more often.
const RINGS_MAX = 10_000;

/** All versions of one key of one tenant. Unwrapped ones are kept; older ones are unwrapped when asked for. */
interface Ring {
  readonly loadedMs: number;
  readonly expiresMs: number;
  readonly current: TenantKey;
  readonly rows: ReadonlyMap<number, WrappedKey>;
  readonly opened: Map<number, TenantKey>;
}

/**
 * Checks that the master key belongs to the database, then gives the tree.
 *
 * @throws RingwallError `keys.master_refused` when another master key made the database's keys.
 */
export async function createKeys(options: KeysOptions): Promise<Keys> {
  const tree = new KeyTree(options);
  try {
    // The anchor is the first key of a database. Unwrapping it proves that this master is the one.
    await tree.service("anchor");
    return tree;
  } catch (error) {
    tree.close();
    throw error;
  }
}

/** The id of the master key that made the database's keys; undefined in a fresh database. */
export async function recordedMasterId(store: KeyStore): Promise<string | undefined> {
  return (await store.read(PLATFORM_TENANT, "anchor"))[0]?.masterId;
}

class KeyTree implements Keys {
  readonly #options: KeysOptions;
  readonly #rings = new LRUCache<string, Ring>({ max: RINGS_MAX });
  readonly #loading = new Map<string, Promise<Ring>>();
  readonly #stops: readonly (() => void)[];
  readonly #cacheMs: number;

  constructor(options: KeysOptions) {
    this.#options = options;
    this.#cacheMs = (options.cacheSeconds ?? CACHE_SECONDS) * 1_000;
    this.#stops = [
      options.bus.subscribe((message) => {
        if (message.kind === "key") this.#forget(ringKey(message.tenant, message.id));
        else if (message.kind === "epoch") this.#forgetAll();
      }),
      options.bus.onGap(() => this.#forgetAll()),
    ];
  }

  current(tenant: TenantId, purpose: KeyPurpose): TenantKey | Promise<TenantKey> {
    const ring = this.#warm(ringKey(tenant, purpose));
    return ring === undefined ? this.#load(tenant, purpose).then((loaded) => loaded.current) : ring.current;
  }

  version(tenant: TenantId, purpose: KeyPurpose, version: number): TenantKey | Promise<TenantKey> {
    const opened = this.#warm(ringKey(tenant, purpose))?.opened.get(version);
    return opened ?? this.#openVersion(tenant, purpose, version);
  }

  service(purpose: ServicePurpose): TenantKey | Promise<TenantKey> {
    return this.current(PLATFORM_TENANT, purpose);
  }

  async serviceVersions(purpose: ServicePurpose): Promise<readonly TenantKey[]> {
    const ring = this.#warm(ringKey(PLATFORM_TENANT, purpose)) ?? (await this.#load(PLATFORM_TENANT, purpose));
    const versions = [...ring.rows.keys()].sort((a, b) => b - a);
    return await Promise.all(versions.map(async (version) => await this.version(PLATFORM_TENANT, purpose, version)));
  }

  sealValue(
    tenant: TenantId,
    purpose: TenantPurpose,
    context: readonly string[],
    bytes: Uint8Array,
  ): Buffer | Promise<Buffer> {
    const key = this.current(tenant, purpose);
    if (key instanceof TenantKey) return sealValueWith(key, context, bytes);
    return key.then((loaded) => sealValueWith(loaded, context, bytes));
  }

  openValue(
    tenant: TenantId,
    purpose: TenantPurpose,
    context: readonly string[],
    sealed: Buffer,
  ): Buffer | Promise<Buffer> {
    const key = this.version(tenant, purpose, sealedValueVersion(sealed));
    if (key instanceof TenantKey) return openValueWith(key, context, sealed);
    return key.then((loaded) => openValueWith(loaded, context, sealed));
  }

  async rotate(tenant: TenantId, purpose: KeyPurpose, actor: Actor): Promise<number> {
    assert(purpose !== "anchor", "the anchor is not rotated, the master is");
    const before = await this.current(tenant, purpose);
    const next = before.version + 1;
    assert(next <= KEY_VERSIONS_MAX, "a key has a bounded number of live versions");
    await this.#options.store.add(await this.#make(tenant, purpose, next), actor);
    // Two rotations at once make one version: the second finds it there and uses it.
    this.#forget(ringKey(tenant, purpose));
    return (await this.current(tenant, purpose)).version;
  }

  close(): void {
    for (const stop of this.#stops) stop();
    this.#forgetAll();
  }

  /** The ring, when it may be used: young enough, and news of its revocation would have reached us. */
  #warm(key: string): Ring | undefined {
    if (!this.#options.bus.up) return undefined;
    const ring = this.#rings.get(key);
    return ring !== undefined && isYoung(ring, this.#options.clock()) ? ring : undefined;
  }

  async #openVersion(tenant: TenantId, purpose: KeyPurpose, version: number): Promise<TenantKey> {
    let ring = this.#warm(ringKey(tenant, purpose)) ?? (await this.#load(tenant, purpose));
    // Another node may have rotated a moment ago: look once more, one look at a time for each key.
    if (!ring.rows.has(version) && version > ring.current.version) ring = await this.#load(tenant, purpose);
    const opened = ring.opened.get(version);
    if (opened !== undefined) return opened;
    const row = ring.rows.get(version);
    if (row === undefined) throw decryptFailed({ tenant, purpose, keyVersion: version });
    const key = await this.#unwrap(row);
    // Asked for twice at once, the first one in stays, so that row keys hang on one object.
    const winner = ring.opened.get(version) ?? key;
    ring.opened.set(version, winner);
    return winner;
  }

  /** One load at a time for each key, however many ask. */
  #load(tenant: TenantId, purpose: KeyPurpose): Promise<Ring> {
    const key = ringKey(tenant, purpose);
    const running = this.#loading.get(key);
    if (running !== undefined) return running;
    const load: Promise<Ring> = this.#read(tenant, purpose).then(
      (ring) => {
        // A load that was overtaken by an invalidation serves those who wait for it, and is not kept.
        if (this.#loading.get(key) === load) {
          this.#loading.delete(key);
          this.#rings.set(key, ring);
        }
        return ring;
      },
      (error: unknown) => {
        if (this.#loading.get(key) === load) this.#loading.delete(key);
        throw error;
      },
    );
    this.#loading.set(key, load);
    return load;
  }

  async #read(tenant: TenantId, purpose: KeyPurpose): Promise<Ring> {
    const { store, clock } = this.#options;
    const known = this.#rings.get(ringKey(tenant, purpose));
    let rows = await store.read(tenant, purpose);
    if (rows.length === 0) {
      await store.add(await this.#make(tenant, purpose, 1), KEY_KEEPER);
      rows = await store.read(tenant, purpose);
    }
    const newest = rows[0];
    if (newest === undefined) throw new RingwallError("keys.unavailable", { detail: { tenant, purpose } });
    // Without the bus every use reads the rows; the master is asked again only when they changed or grew old.
    const young = known !== undefined && isYoung(known, clock()) ? known : undefined;
    const same = young !== undefined && young.current.version === newest.version && isSame(young, newest);
    if (same && young.rows.size === rows.length) return young;
    const current = same ? young.current : await this.#unwrap(newest);
    const loadedMs = same ? young.loadedMs : clock();
    return {
      loadedMs,
      expiresMs: loadedMs + this.#cacheMs,
      current,
      rows: new Map(rows.map((row) => [row.version, row])),
      opened: new Map([[current.version, current]]),
    };
  }

  async #make(tenant: TenantId, purpose: KeyPurpose, version: number): Promise<WrappedKey> {
    const { master } = this.#options;
    const { plaintext, wrapped } = await master.generate(wrapContext(tenant, purpose, version));
    const commitment = commitmentOf(keyFrom(plaintext));
    return { tenant, purpose, version, masterId: master.id, wrapped, commitment };
  }

  async #unwrap(row: WrappedKey): Promise<TenantKey> {
    const { master } = this.#options;
    refuseOtherMaster(row, master.id);
    const key = keyFrom(await master.unwrap(row.wrapped, wrapContext(row.tenant, row.purpose, row.version)));
    if (!timingSafeEqual(commitmentOf(key), row.commitment)) {
      throw decryptFailed({ tenant: row.tenant, purpose: row.purpose, keyVersion: row.version });
    }
    return new TenantKey(row.tenant, row.purpose, row.version, key);
  }

  #forget(key: string): void {
    this.#rings.delete(key);
    this.#loading.delete(key);
  }

  #forgetAll(): void {
    this.#rings.clear();
    this.#loading.clear();
  }
}

/** Tenant first. Neither a tenant's id nor a purpose can hold a slash, so no two pairs give the same text. */
function ringKey(tenant: TenantId, purpose: string): string {
  return `${tenant}/${purpose}`;
}

/** A clock that was set back must not keep a key for longer: a ring from the future is as good as none. */
function isYoung(ring: Ring, nowMs: number): boolean {
  return ring.loadedMs <= nowMs && nowMs < ring.expiresMs;
}

function wrapContext(tenant: TenantId, purpose: KeyPurpose, version: number): readonly string[] {
  return ["rw/tenant-key/v1", tenant, purpose, String(version)];
}

function isSame(ring: Ring, newest: WrappedKey): boolean {
  const known = ring.rows.get(newest.version);
  return known !== undefined && known.wrapped.equals(newest.wrapped) && known.commitment.equals(newest.commitment);
}
