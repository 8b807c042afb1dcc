import { type Actor, type Bus, type Invalidation, RingwallError, randomBytes, type TenantId } from "../core/index.ts";
import { createKeys, type KeyStore, type Keys, softwareMaster, type WrappedKey } from "../data/keys/index.ts";

/** A bus whose messages, gaps and outages a test sends itself. */
export interface TestBus extends Bus {
  up: boolean;
  publish(message: Invalidation): void;
  gap(): void;
}

export function testBus(): TestBus {
  const listeners = new Set<(message: Invalidation) => void>();
  const gaps = new Set<() => void>();
  return {
    up: true,
    subscribe(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    onGap(listener) {
      gaps.add(listener);
      return () => gaps.delete(listener);
    },
    publish(message) {
      for (const listener of listeners) listener(message);
    },
    gap() {
      for (const listener of gaps) listener();
    },
  };
}

/** Wrapped keys in memory: for tests, and passing the same contract as the table. Counts its reads. */
export interface MemoryKeyStore extends KeyStore {
  readonly reads: number;
  /** Everything stored, as an attacker with the database would see it. */
  readonly rows: WrappedKey[];
  /** Every change, oldest first; a key that a test takes away by hand is one when it is put here. */
  readonly changed: TenantId[];
  /** The store cannot be asked what changed. */
  blind: boolean;
  /** The store cannot be read either. */
  down: boolean;
}

export function memoryKeyStore(bus: TestBus): MemoryKeyStore {
  const rows: WrappedKey[] = [];
  const used = new Map<string, number>();
  const changed: TenantId[] = [];
  let reads = 0;
  return {
    changed,
    blind: false,
    down: false,
    async changes(since) {
      if (this.blind) throw new RingwallError("database.unavailable");
      const news = since === undefined ? [] : changed.slice(Number(since));
      return {
        upto: String(changed.length),
        changed: news.map((tenant, at) => ({ tenant, change: String(Number(since) + at) })),
      };
    },
    get reads() {
      return reads;
    },
    rows,
    async read(tenant, purpose) {
      if (this.down) throw new RingwallError("database.unavailable");
      reads += 1;
      return rows
        .filter((row) => row.tenant === tenant && row.purpose === purpose)
        .sort((left, right) => right.version - left.version);
    },
    async add(key: WrappedKey, _actor: Actor) {
      const known = rows.some(
        (row) => row.tenant === key.tenant && row.purpose === key.purpose && row.version === key.version,
      );
      if (known) return false;
      rows.push(key);
      if (key.version > 1) changed.push(key.tenant);
      if (key.version > 1) bus.publish({ kind: "key", tenant: key.tenant, id: key.purpose });
      return true;
    },
    async reserve({ purpose, tenant, version }, uses) {
      const name = `${tenant}/${purpose}/${String(version)}`;
      const reserved = (used.get(name) ?? 0) + uses;
      used.set(name, reserved);
      return reserved;
    },
  };
}

/** A key tree without a database, over a fresh software master. */
export async function testKeys(): Promise<{
  keys: Keys;
  store: MemoryKeyStore;
  bus: TestBus;
  time: { nowMs: number };
}> {
  const bus = testBus();
  const store = memoryKeyStore(bus);
  const time = { nowMs: 1_800_000_000_000 };
  const master = softwareMaster(randomBytes(32));
  const keys = await createKeys({ master, store, bus, clock: () => time.nowMs });
  return { keys, store, bus, time };
}
