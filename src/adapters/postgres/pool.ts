import { setTimeout as delay } from "node:timers/promises";
import { assert, type Clock, RingwallError } from "../../core/index.ts";
import { openClient, type Target } from "./connect.ts";
import { unavailable } from "./errors.ts";
import { Wire } from "./wire.ts";

/** Waiting longer than this for a connection is an overload. */
const ACQUIRE_MS = 5_000;
/** More waiting transactions than this are refused at once: a queue that long never drains in time. */
const WAITING_MAX = 1_000;
/** A connection is replaced after this long, so that a rotated credential reaches every connection. */
const LIFETIME_MS = 30 * 60_000;
/** Statements of one round trip share these: measured, a few pipelined connections beat many. */
const SHARED = 2;

interface Member {
  readonly wire: Wire;
  readonly bornMs: number;
  readonly generation: number;
}

interface Waiting {
  readonly resolve: (wire: Wire) => void;
  readonly reject: (error: unknown) => void;
  readonly timer: NodeJS.Timeout;
}

export interface PoolOptions {
  readonly target: Target;
  readonly max: number;
  readonly clock: Clock;
}

/**
 * The connections of one role: two that single statements share, and the rest for one transaction at a time.
 * Bounded in number, waiting and age. A broken connection leaves by itself; the next caller opens another.
 */
export class Pool {
  readonly #options: PoolOptions;
  readonly #members = new Map<Wire, Member>();
  readonly #idle: Wire[] = [];
  readonly #waiting: Waiting[] = [];
  readonly #shared: (Wire | Promise<Wire> | undefined)[] = [];
  #opening = 0;
  #next = 0;
  #generation = 0;
  #closed = false;

  constructor(options: PoolOptions) {
    assert(options.max > SHARED, "a pool has room for transactions beside the shared connections");
    this.#options = options;
  }

  /** A connection that others use at the same time, for units that begin and end their own transaction. */
  shared(): Wire | Promise<Wire> {
    const slot = this.#next;
    this.#next = (slot + 1) % SHARED;
    const held = this.#shared[slot];
    if (held instanceof Wire && held.broken === undefined && !this.#isOld(held)) return held;
    if (held instanceof Promise) return held;
    if (held instanceof Wire) void this.#retire(held);
    const opening = this.#open().then(
      (wire) => {
        this.#shared[slot] = wire;
        return wire;
      },
      (error: unknown) => {
        this.#shared[slot] = undefined;
        throw error;
      },
    );
    this.#shared[slot] = opening;
    return opening;
  }

  /** A connection of one's own until `release`. */
  async acquire(): Promise<Wire> {
    for (let wire = this.#idle.pop(); wire !== undefined; wire = this.#idle.pop()) {
      if (wire.broken !== undefined) continue;
      if (!this.#isOld(wire)) return wire;
      void this.#retire(wire);
    }
    if (this.#exclusive() < this.#options.max - SHARED) return await this.#openExclusive();
    if (this.#waiting.length >= WAITING_MAX) throw unavailable(undefined, { stage: "queue", reason: "full" });
    return await new Promise<Wire>((resolve, reject) => {
      const timer = setTimeout(() => {
        const index = this.#waiting.findIndex((one) => one.timer === timer);
        if (index >= 0) this.#waiting.splice(index, 1);
        reject(unavailable(undefined, { stage: "queue", reason: "timeout" }));
      }, ACQUIRE_MS);
      this.#waiting.push({ resolve, reject, timer });
    });
  }

  /** Gives a connection back. One that is not idle any more in the server's eyes is closed: its state is not known. */
  release(wire: Wire): void {
    if (wire.broken === undefined && wire.status !== "I") wire.destroy(new Error("the transaction did not end"));
    if (wire.broken === undefined && (this.#closed || this.#isOld(wire))) void this.#retire(wire);
    const waiting = this.#waiting.shift();
    if (wire.broken === undefined && !this.#isOld(wire)) {
      if (waiting === undefined) this.#idle.push(wire);
      else this.#hand(waiting, wire);
      return;
    }
    if (waiting !== undefined) {
      this.#openExclusive().then(
        (fresh) => this.#hand(waiting, fresh),
        (error: unknown) => {
          clearTimeout(waiting.timer);
          waiting.reject(error);
        },
      );
    }
  }

  /** After a credential changed: every connection is replaced as soon as its work is done. */
  renew(): void {
    this.#generation += 1;
    for (const wire of this.#idle.splice(0)) void this.#retire(wire);
    for (const [slot, held] of this.#shared.entries()) {
      if (!(held instanceof Wire)) continue;
      this.#shared[slot] = undefined;
      void this.#retire(held);
    }
  }

  async close(): Promise<void> {
    this.#closed = true;
    for (const one of this.#waiting.splice(0)) {
      clearTimeout(one.timer);
      one.reject(unavailable(undefined, { stage: "closed" }));
    }
    const opening = this.#shared.filter((held) => held instanceof Promise);
    await Promise.allSettled(opening);
    await Promise.all([...this.#members.keys()].map(async (wire) => await this.#retire(wire)));
  }

  #hand(waiting: Waiting, wire: Wire): void {
    clearTimeout(waiting.timer);
    waiting.resolve(wire);
  }

  #exclusive(): number {
    const shared = this.#shared.filter((held) => held instanceof Wire && held.broken === undefined).length;
    return this.#members.size - shared + this.#opening;
  }

  async #openExclusive(): Promise<Wire> {
    this.#opening += 1;
    try {
      return await this.#open();
    } finally {
      this.#opening -= 1;
    }
  }

  async #open(): Promise<Wire> {
    if (this.#closed) throw unavailable(undefined, { stage: "closed" });
    const generation = this.#generation;
    const { client, pid } = await openClient(this.#options.target, true);
    const wire = new Wire(client, pid, this.#options.clock, (broken) => {
      this.#members.delete(broken);
    });
    if (this.#closed) {
      await wire.end();
      throw new RingwallError("database.unavailable", { detail: { stage: "closed" } });
    }
    this.#members.set(wire, { wire, bornMs: this.#options.clock(), generation });
    return wire;
  }

  #isOld(wire: Wire): boolean {
    const member = this.#members.get(wire);
    if (member === undefined || member.generation !== this.#generation) return true;
    return this.#options.clock() - member.bornMs > LIFETIME_MS;
  }

  /** Lets what is on its way finish, then says goodbye. */
  async #retire(wire: Wire): Promise<void> {
    for (let waited = 0; wire.inFlight > 0 && wire.broken === undefined && waited < ACQUIRE_MS; waited += RETIRE_POLL_MS) {
      await delay(RETIRE_POLL_MS);
    }
    this.#members.delete(wire);
    if (wire.broken !== undefined) return;
    if (wire.inFlight > 0) wire.destroy(new Error("the connection was closed while busy"));
    else await wire.end().catch(() => {});
  }
}

const RETIRE_POLL_MS = 10;
