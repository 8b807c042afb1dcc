import { LRUCache } from "lru-cache";
import {
  assert,
  type Bus,
  type Clock,
  type Invalidation,
  type TenantId,
  type TenantKey,
  tenantKey,
} from "../../core/index.ts";

/** Something kept in the process, and when it was read. */
export interface Kept {
  readonly loadedMs: number;
}

/**
 * What keys and secrets are kept in: bounded in entries, age, uses and bytes, one load at a time for each entry however many ask,
 * emptied by messages and gaps of the bus, and not trusted at all while the bus is down.
 *
 * A load that an invalidation overtakes serves those who already wait for it and is not kept: two writers that
 * invalidate and re-read in the wrong order cannot leave a stale value behind.
 */
export class WarmCache<Value extends Kept> {
  readonly #bus: Bus;
  readonly #clock: Clock;
  readonly #ageMsMax: number;
  readonly #usesMax: number;
  readonly #kept: LRUCache<string, { readonly value: Value; uses: number }>;
  readonly #loading = new Map<string, Promise<Value>>();
  readonly #stops: readonly (() => void)[];
  readonly #onForgotten: () => void;

  constructor(options: {
    readonly bus: Bus;
    readonly clock: Clock;
    readonly kind: Invalidation["kind"];
    readonly ageMsMax: number;
    readonly entriesMax: number;
    /** How often an entry may be used before it is read again. */
    readonly usesMax?: number;
    /** All entries together, as `bytesOf` counts them. */
    readonly bytesMax?: number;
    readonly bytesOf?: (value: Value) => number;
    /** Called after entries were let go of because they changed or grew old. */
    readonly onForgotten?: () => void;
  }) {
    assert(options.ageMsMax > 0 && options.entriesMax > 0, "a cache has an age and a size");
    const { bytesMax, bytesOf, entriesMax } = options;
    this.#bus = options.bus;
    this.#clock = options.clock;
    this.#ageMsMax = options.ageMsMax;
    this.#usesMax = options.usesMax ?? Number.POSITIVE_INFINITY;
    this.#onForgotten = options.onForgotten ?? (() => {});
    this.#kept = new LRUCache({
      max: entriesMax,
      ...(bytesMax === undefined || bytesOf === undefined
        ? {}
        : { maxSize: bytesMax, sizeCalculation: ({ value }) => Math.max(1, bytesOf(value)) }),
    });
    this.#stops = [
      options.bus.subscribe((message) => {
        if (message.kind === options.kind) this.forget(cacheKey(message.tenant, message.id));
        else if (message.kind === "epoch") this.forgetAll();
      }),
      options.bus.onGap(() => this.forgetAll()),
    ];
  }

  /** The value, when it may be used: young enough, and news of a change would have reached us. */
  warm(key: string): Value | undefined {
    return this.#bus.up ? this.young(key) : undefined;
  }

  /** The value when it is young enough, though we may have missed that it changed. */
  young(key: string): Value | undefined {
    const kept = this.#kept.get(key);
    if (kept === undefined || kept.uses >= this.#usesMax) return undefined;
    kept.uses += 1;
    return this.#isYoung(kept.value) ? kept.value : undefined;
  }

  /** Lets go of what may not be used any more, so that no key stays in memory because nobody asked for it again. */
  sweep(): void {
    let swept = false;
    for (const [key, { uses, value }] of this.#kept.entries()) {
      if (uses < this.#usesMax && this.#isYoung(value)) continue;
      this.#kept.delete(key);
      swept = true;
    }
    if (swept) this.#onForgotten();
  }

  /** True while `value` is what is kept under `key`, whoever may use it. */
  holds(key: string, test: (value: Value) => boolean): boolean {
    const kept = this.#kept.peek(key);
    return kept !== undefined && test(kept.value);
  }

  load(key: string, read: () => Promise<Value>): Promise<Value> {
    const running = this.#loading.get(key);
    if (running !== undefined) return running;
    const settle = (): boolean => this.#loading.get(key) === load && this.#loading.delete(key);
    const load: Promise<Value> = read().then(
      (value) => {
        if (settle()) this.#kept.set(key, { value, uses: 0 });
        return value;
      },
      (error: unknown) => {
        settle();
        throw error;
      },
    );
    this.#loading.set(key, load);
    return load;
  }

  forget(key: string): void {
    this.#loading.delete(key);
    if (this.#kept.delete(key)) this.#onForgotten();
  }

  forgetAll(): void {
    this.#kept.clear();
    this.#loading.clear();
    this.#onForgotten();
  }

  close(): void {
    for (const stop of this.#stops) stop();
    this.forgetAll();
  }

  #isYoung({ loadedMs }: Value): boolean {
    const ageMs = this.#clock() - loadedMs;
    // A clock that was set back must not keep anything for longer: a value from the future is as good as none.
    return ageMs >= 0 && ageMs < this.#ageMsMax;
  }
}

/** Tenant first, and no two pairs give the same text. */
export function cacheKey(tenant: TenantId, id: string): TenantKey {
  return tenantKey(tenant, "kept", id);
}
