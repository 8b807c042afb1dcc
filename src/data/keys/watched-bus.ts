import type { Bus, Invalidation } from "../../core/index.ts";
import type { KeyChanges, KeyStore } from "./store.ts";
import { SERVICE_PURPOSES, TENANT_PURPOSES } from "./tenant-key.ts";

/** How often each process asks what changed: what no message told is known within a second. */
export const LOOK_EVERY_MS = 900;
/** After so many looks in a row without an answer nothing is trusted that was read before. */
export const LOOKS_MISSED_MAX = 10;
/** More changes than this in one answer: the list may be cut short, so everything is forgotten. */
const CHANGES_MAX = 10_000;

/** Calls `tick` every `ms` until the returned function is called. */
export type Every = (ms: number, tick: () => void) => () => void;

/** Keeps no process alive. */
export const everyUnref: Every = (ms, tick) => {
  const timer = setInterval(tick, ms).unref();
  return () => clearInterval(timer);
};

/**
 * A bus that loses no change of a key: what its messages did not tell, the store is asked for.
 *
 * Down while the bus is down, and when the store could not be asked for ten looks: keys are read anew for every use
 * then, and refused when they cannot be.
 */
export class WatchedBus implements Bus {
  readonly #bus: Bus;
  readonly #store: Pick<KeyStore, "changes">;
  readonly #listeners = new Set<(message: Invalidation) => void>();
  readonly #gapListeners = new Set<() => void>();
  readonly #stops: readonly (() => void)[];
  readonly #onRound: () => void;
  #since: string | undefined;
  #told: ReadonlySet<string> = new Set();
  #looking: Promise<void> | undefined;
  #missed = 0;
  #closed = false;

  /** @param onRound - Called at every look, whatever came of it. */
  constructor(bus: Bus, store: Pick<KeyStore, "changes">, onRound: () => void, every: Every = everyUnref) {
    this.#bus = bus;
    this.#store = store;
    this.#onRound = onRound;
    this.#stops = [
      bus.subscribe((message) => {
        for (const listener of this.#listeners) listener(message);
      }),
      bus.onGap(() => this.#gap()),
      every(LOOK_EVERY_MS, () => {
        this.#onRound();
        void this.look();
      }),
    ];
  }

  get up(): boolean {
    return this.#bus.up && this.#missed < LOOKS_MISSED_MAX;
  }

  subscribe(listener: (message: Invalidation) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  onGap(listener: () => void): () => void {
    this.#gapListeners.add(listener);
    return () => this.#gapListeners.delete(listener);
  }

  /** One look. While the one before has no answer, it counts as missed. */
  look(): Promise<void> {
    if (this.#closed) return Promise.resolve();
    if (this.#looking !== undefined) {
      this.#missed += 1;
      return this.#looking;
    }
    const looking = this.#store
      .changes(this.#since)
      .then(
        (changes) => this.#hear(changes),
        () => {
          this.#missed += 1;
        },
      )
      .finally(() => {
        this.#looking = undefined;
      });
    this.#looking = looking;
    return looking;
  }

  close(): void {
    this.#closed = true;
    for (const stop of this.#stops) stop();
  }

  #hear({ changed, upto }: KeyChanges): void {
    if (this.#closed) return;
    const since = this.#since;
    // Another database took this one's place (a restore, a replica that was promoted late): nothing can be compared.
    const restarted = since !== undefined && BigInt(upto) < BigInt(since);
    // What was missed for so long is one gap: trust begins anew with this answer.
    const regained = this.#missed >= LOOKS_MISSED_MAX;
    this.#missed = 0;
    this.#since = upto;
    if (restarted || regained || changed.length > CHANGES_MAX) {
      this.#told = new Set();
      this.#gap();
      return;
    }
    const told = new Set<string>();
    for (const { change, tenant } of changed) {
      const name = `${tenant}/${change}`;
      told.add(name);
      if (this.#told.has(name)) continue;
      for (const id of PURPOSES) this.#tell({ kind: "key", tenant, id });
    }
    this.#told = told;
  }

  #tell(message: Invalidation): void {
    for (const listener of this.#listeners) listener(message);
  }

  #gap(): void {
    for (const listener of this.#gapListeners) listener();
  }
}

const PURPOSES: readonly string[] = [...TENANT_PURPOSES, ...SERVICE_PURPOSES];
