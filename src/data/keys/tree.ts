import { timingSafeEqual } from "node:crypto";
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
import { cacheKey, WarmCache } from "./warm-cache.ts";

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

/** What the key tree stands on. */
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
  readonly #rings: WarmCache<Ring>;

  constructor(options: KeysOptions) {
    this.#options = options;
    const ageMsMax = (options.cacheSeconds ?? CACHE_SECONDS) * 1_000;
    const { bus, clock } = options;
    this.#rings = new WarmCache({ bus, clock, kind: "key", ageMsMax, entriesMax: RINGS_MAX });
  }

  current(tenant: TenantId, purpose: KeyPurpose): TenantKey | Promise<TenantKey> {
    const ring = this.#rings.warm(cacheKey(tenant, purpose));
    return ring === undefined ? this.#load(tenant, purpose).then((loaded) => loaded.current) : ring.current;
  }

  version(tenant: TenantId, purpose: KeyPurpose, version: number): TenantKey | Promise<TenantKey> {
    const opened = this.#rings.warm(cacheKey(tenant, purpose))?.opened.get(version);
    return opened ?? this.#openVersion(tenant, purpose, version);
  }

  service(purpose: ServicePurpose): TenantKey | Promise<TenantKey> {
    return this.current(PLATFORM_TENANT, purpose);
  }

  async serviceVersions(purpose: ServicePurpose): Promise<readonly TenantKey[]> {
    const ring = this.#rings.warm(cacheKey(PLATFORM_TENANT, purpose)) ?? (await this.#load(PLATFORM_TENANT, purpose));
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
    this.#rings.forget(cacheKey(tenant, purpose));
    return (await this.current(tenant, purpose)).version;
  }

  close(): void {
    this.#rings.close();
  }

  async #openVersion(tenant: TenantId, purpose: KeyPurpose, version: number): Promise<TenantKey> {
    let ring = this.#rings.warm(cacheKey(tenant, purpose)) ?? (await this.#load(tenant, purpose));
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

  #load(tenant: TenantId, purpose: KeyPurpose): Promise<Ring> {
    return this.#rings.load(cacheKey(tenant, purpose), () => this.#read(tenant, purpose));
  }

  async #read(tenant: TenantId, purpose: KeyPurpose): Promise<Ring> {
    const { store, clock } = this.#options;
    let rows = await store.read(tenant, purpose);
    if (rows.length === 0) {
      await store.add(await this.#make(tenant, purpose, 1), KEY_KEEPER);
      rows = await store.read(tenant, purpose);
    }
    const newest = rows[0];
    if (newest === undefined) throw new RingwallError("keys.unavailable", { detail: { tenant, purpose } });
    // Without the bus every use reads the rows; the master is asked again only when they changed or grew old.
    const young = this.#rings.young(cacheKey(tenant, purpose));
    const same = young !== undefined && young.current.version === newest.version && isSame(young, newest);
    if (same && young.rows.size === rows.length) return young;
    const current = same ? young.current : await this.#unwrap(newest);
    return {
      loadedMs: same ? young.loadedMs : clock(),
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
}

function wrapContext(tenant: TenantId, purpose: KeyPurpose, version: number): readonly string[] {
  return ["rw/tenant-key/v1", tenant, purpose, String(version)];
}

function isSame(ring: Ring, newest: WrappedKey): boolean {
  const known = ring.rows.get(newest.version);
  return known !== undefined && known.wrapped.equals(newest.wrapped) && known.commitment.equals(newest.commitment);
}
