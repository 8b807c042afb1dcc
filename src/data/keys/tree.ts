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
import { decryptFailed } from "./envelope.ts";
import { JobKey } from "./job-key.ts";
import type { MasterKey } from "./master.ts";
import { Masters } from "./masters.ts";
import { type RowPlace, rewrapRowKey, rowKeyVersion } from "./row-key.ts";
import { openValueWith, sealedValueVersion, sealValueWith } from "./sealed-value.ts";
import { KEY_KEEPER, KEY_VERSIONS_MAX, type KeyStore, type WrappedKey } from "./store.ts";
import { type KeyPurpose, type ServicePurpose, TenantKey, type TenantPurpose } from "./tenant-key.ts";
import { cacheKey, WarmCache } from "./warm-cache.ts";
import { type Every, WatchedBus } from "./watched-bus.ts";
import { WRAPS_MAX, WRAPS_RESERVED, WRAPS_ROTATE, WrapBudget } from "./wrap-budget.ts";

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
  /** Names the master key in use. */
  readonly masterId: string;
  /** The same key wrapped by the master key in use, checked by opening it; not stored. */
  rewrap(key: WrappedKey): Promise<WrappedKey>;
  /** A row key's record under the newest version of the tenant's data key, checked by opening it; not stored. */
  rewrapRow(tenant: TenantId, place: RowPlace, record: Buffer): Buffer | Promise<Buffer>;
  /** Runs a background job with a key of its own, in memory alone, that is wiped when the job ends. */
  forJob<Result>(tenant: TenantId, job: string, work: (key: JobKey) => Promise<Result>): Promise<Result>;
  /**
   * Called after keys were let go of: changed, erased or too old. What hangs on one that is not kept any more is let
   * go of as well. Returns what ends it.
   */
  onForgotten(listener: (isKept: (key: TenantKey) => boolean) => void): () => void;
  /** Stops listening and forgets every key. */
  close(): void;
}

/** What the key tree stands on. */
export interface KeysOptions {
  readonly master: MasterKey;
  /** Master keys that were in use before: they open what they wrapped until it is wrapped anew, and make nothing. */
  readonly previousMasters?: readonly MasterKey[];
  readonly store: KeyStore;
  readonly bus: Bus;
  readonly clock: Clock;
  /** How long an unwrapped key may be used before the master is asked again. Default 300, the founding document's. */
  readonly cacheSeconds?: number;
  /** What the looks for lost messages are timed by. */
  readonly every?: Every;
}

const CACHE_SECONDS = 300;
// A node that serves more tenants at once than this asks the master more often.
const RINGS_MAX = 10_000;
/** What an unwrapped version with its subkeys takes, and all of them together at most. */
const VERSION_BYTES = 1_024;
const RINGS_BYTES_MAX = 67_108_864;
/** Far above what a tenant does in 300 seconds; what is used more often than that asks the master more often. */
const USES_MAX = 2 ** 20;

/** All versions of one key of one tenant. Unwrapped ones are kept; older ones are unwrapped when asked for. */
interface Ring {
  readonly loadedMs: number;
  readonly current: TenantKey;
  /** The versions that open. */
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
    await tree.watch();
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
  readonly #masters: Masters;
  readonly #bus: WatchedBus;
  readonly #rings: WarmCache<Ring>;
  readonly #forgotten = new Set<(isKept: (key: TenantKey) => boolean) => void>();
  // Numbers alone, apart from the keys: a key that is loaded again goes on with what was reserved for it.
  readonly #budgets = new LRUCache<string, WrapBudget>({ max: RINGS_MAX });

  constructor(options: KeysOptions) {
    this.#options = options;
    this.#masters = new Masters(options.master, options.previousMasters);
    const ageMsMax = (options.cacheSeconds ?? CACHE_SECONDS) * 1_000;
    const { clock, store } = options;
    this.#bus = new WatchedBus(options.bus, store, () => this.#rings.sweep(), options.every);
    this.#rings = new WarmCache({
      bus: this.#bus,
      clock,
      kind: "key",
      ageMsMax,
      entriesMax: RINGS_MAX,
      usesMax: USES_MAX,
      bytesMax: RINGS_BYTES_MAX,
      bytesOf: ({ rows }) => (rows.size + 1) * VERSION_BYTES,
      onForgotten: () => {
        for (const listener of this.#forgotten) listener(this.#isKept);
      },
    });
  }

  /** From now on no change is missed: what is loaded later is compared with this moment. */
  async watch(): Promise<void> {
    await this.#bus.look();
  }

  readonly #isKept = (key: TenantKey): boolean =>
    this.#rings.holds(cacheKey(key.tenant, key.purpose), ({ opened }) => opened.get(key.version) === key);

  onForgotten(listener: (isKept: (key: TenantKey) => boolean) => void): () => void {
    this.#forgotten.add(listener);
    return () => this.#forgotten.delete(listener);
  }

  get masterId(): string {
    return this.#masters.current.id;
  }

  current(tenant: TenantId, purpose: KeyPurpose): TenantKey | Promise<TenantKey> {
    const ring = this.#rings.warm(cacheKey(tenant, purpose));
    if (ring === undefined) return this.#load(tenant, purpose).then((loaded) => this.#counted(loaded.current));
    return this.#counted(ring.current);
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
    const before = this.#rings.warm(cacheKey(tenant, purpose)) ?? (await this.#load(tenant, purpose));
    const next = before.current.version + 1;
    assert(next <= KEY_VERSIONS_MAX, "a key has a bounded number of versions");
    await this.#options.store.add(await this.#masters.make({ tenant, purpose, version: next }), actor);
    // Two rotations at once make one version: the second finds it there and uses it.
    this.#rings.forget(cacheKey(tenant, purpose));
    return (await this.#load(tenant, purpose)).current.version;
  }

  async rewrap(key: WrappedKey): Promise<WrappedKey> {
    return await this.#masters.rewrap(key);
  }

  rewrapRow(tenant: TenantId, place: RowPlace, record: Buffer): Buffer | Promise<Buffer> {
    const from = this.version(tenant, "data", rowKeyVersion(record));
    const to = this.current(tenant, "data");
    if (from instanceof TenantKey && to instanceof TenantKey) return rewrapRowKey(from, to, place, record);
    return Promise.all([from, to]).then(([opens, seals]) => rewrapRowKey(opens, seals, place, record));
  }

  async forJob<Result>(tenant: TenantId, job: string, work: (key: JobKey) => Promise<Result>): Promise<Result> {
    const key = new JobKey(tenant, job);
    try {
      return await work(key);
    } finally {
      key.end();
    }
  }

  close(): void {
    this.#bus.close();
    this.#rings.close();
  }

  async #openVersion(tenant: TenantId, purpose: KeyPurpose, version: number): Promise<TenantKey> {
    let ring = this.#rings.warm(cacheKey(tenant, purpose)) ?? (await this.#loadToOpen(tenant, purpose, version));
    // Another node may have rotated a moment ago: look once more, one look at a time for each key.
    if (!ring.rows.has(version) && version > ring.current.version) ring = await this.#load(tenant, purpose);
    const opened = ring.opened.get(version);
    if (opened !== undefined) return opened;
    const row = ring.rows.get(version);
    if (row === undefined) throw decryptFailed({ tenant, purpose, keyVersion: version });
    const key = await this.#masters.open(row, this.#budget(row));
    // Asked for twice at once, the first one in stays, so that row keys hang on one object.
    const winner = ring.opened.get(version) ?? key;
    ring.opened.set(version, winner);
    return winner;
  }

  /** To whoever opens, an erased key is one that does not open; the log alone is told why. */
  async #loadToOpen(tenant: TenantId, purpose: KeyPurpose, version: number): Promise<Ring> {
    try {
      return await this.#load(tenant, purpose);
    } catch (error) {
      if (!(error instanceof RingwallError) || error.code !== "keys.erased") throw error;
      throw decryptFailed({ tenant, purpose, keyVersion: version, erased: true });
    }
  }

  #load(tenant: TenantId, purpose: KeyPurpose): Promise<Ring> {
    return this.#rings.load(cacheKey(tenant, purpose), () => this.#read(tenant, purpose));
  }

  async #read(tenant: TenantId, purpose: KeyPurpose): Promise<Ring> {
    const { store, clock } = this.#options;
    let rows = await store.read(tenant, purpose);
    const known = rows[0];
    // What is recorded about an erased tenant is sealed with a key that was made after its others were destroyed.
    const again = known?.state === "destroyed" && purpose === "audit";
    if (known === undefined || again) {
      await store.add(await this.#masters.make({ tenant, purpose, version: (known?.version ?? 0) + 1 }), KEY_KEEPER);
      rows = await store.read(tenant, purpose);
    }
    rows = rows.filter(({ state }) => state === undefined);
    const newest = rows[0];
    if (newest === undefined) throw new RingwallError("keys.erased", { detail: { tenant, purpose } });
    // Without the bus every use reads the rows; the master is asked again only when they changed or grew old.
    const young = this.#rings.young(cacheKey(tenant, purpose));
    if (young !== undefined && young.rows.size === rows.length && rows.every((row) => isSame(young, row))) return young;
    const same = young !== undefined && young.current.version === newest.version && isSame(young, newest);
    const current = same ? young.current : await this.#masters.open(newest, this.#budget(newest));
    return {
      loadedMs: same ? young.loadedMs : clock(),
      current,
      rows: new Map(rows.map((row) => [row.version, row])),
      opened: new Map([[current.version, current]]),
    };
  }

  /** Of the keys whose uses count, the version to seal with when something is left of what was reserved for it. */
  #counted(key: TenantKey): TenantKey | Promise<TenantKey> {
    return key.purpose !== "data" || key.wraps.left > 0 ? key : this.#reserve(key);
  }

  async #reserve(key: TenantKey): Promise<TenantKey> {
    const { tenant, purpose, version } = key;
    const wraps = WRAPS_RESERVED - Math.min(0, key.wraps.left);
    const reserved = await this.#options.store.reserve({ tenant, purpose, version }, wraps);
    // What was reserved beyond the limit is not used: the version is worn out, whatever becomes of its successor.
    if (reserved >= WRAPS_MAX) throw new RingwallError("keys.unavailable", { detail: { tenant, purpose, version } });
    key.wraps.add(wraps);
    if (reserved < WRAPS_ROTATE) return key;
    await this.rotate(tenant, purpose, KEY_KEEPER);
    return await this.current(tenant, purpose);
  }

  #budget({ purpose, tenant, version }: WrappedKey): WrapBudget {
    const name = `${cacheKey(tenant, purpose)}/${String(version)}`;
    const known = this.#budgets.get(name);
    if (known !== undefined) return known;
    const budget = new WrapBudget();
    this.#budgets.set(name, budget);
    return budget;
  }
}

function isSame(ring: Ring, row: WrappedKey): boolean {
  const known = ring.rows.get(row.version);
  return known !== undefined && known.wrapped.equals(row.wrapped) && known.commitment.equals(row.commitment);
}
