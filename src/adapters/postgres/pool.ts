import { assert, type Clock, RingwallError, type SqlValue, statement, type TenantId } from "../../core/index.ts";
import { CONTEXT_LIFE_MS, type ContextSigner } from "../../data/tenants/index.ts";
import { firstAnswer, openClient, STATEMENT_MS, type Target } from "./connect.ts";
import { busy, unavailable } from "./errors.ts";
import { Frames } from "./frames.ts";
import { type Step, Wire } from "./wire.ts";

/** The founding document's figures: 2 to 10 connections. */
export const CONNECTIONS_MIN = 2;
export const CONNECTIONS_MAX = 10;

/** Connections that many reads share at once. Measured: few pipelined connections read faster than many. */
const LANES = 2;
/** A lane that full, or whose oldest statement takes that long, gets no more: the next read takes another connection. */
const LANE_DEPTH_MAX = 64;
const LANE_STALL_MS = 50;

/** Longer queues only make every answer late. */
const WAITING_MAX = 1_000;
const WAIT_MS = 5_000;
/** An opening that takes longer is not relied upon: another is tried beside it. */
const OPENING_MS = 1_000;
/** While the server is gone, one attempt per this time; everybody else is refused at once. */
const RECONNECT_MS = 200;
/** Past the server's own statement timeout the way to it must be broken. */
const SILENCE_MS = STATEMENT_MS + 5_000;
const LIFETIME_MS = 30 * 60_000;
const IDLE_MS = 60_000;
const SWEEP_MS = 500;

/** A signed context is used for so long of its life, then signed anew. */
const CONTEXT_REUSE_MS = 10_000;
const CONTEXTS_MAX = 1_000;

const PING = statement("ringwall.ping", "select");
// A filter that is never true: the setting is made and no row, hence no token, travels back.
const CONTEXT = statement(
  "ringwall.context",
  "select where pg_catalog.set_config('ringwall.context', $1, true) is null",
);

const NO_VALUES: readonly SqlValue[] = [];

/** A connection with what the pool knows about it. */
export class Member {
  readonly wire: Wire;
  readonly lane: boolean;
  readonly generation: number;
  readonly openedMs: number;
  usedMs: number;
  readonly #contexts = new Map<TenantId, { step: Step; madeMs: number }>();
  readonly #signer: ContextSigner;
  readonly #clock: Clock;
  /** The server's clock minus ours, when the connection was made. */
  readonly #aheadMs: number;

  constructor(parts: {
    wire: Wire;
    lane: boolean;
    generation: number;
    signer: ContextSigner;
    clock: Clock;
    aheadMs: number;
  }) {
    this.wire = parts.wire;
    this.lane = parts.lane;
    this.generation = parts.generation;
    this.#signer = parts.signer;
    this.#clock = parts.clock;
    this.#aheadMs = parts.aheadMs;
    this.openedMs = parts.clock();
    this.usedMs = this.openedMs;
  }

  /** What goes over a channel that every login may listen to. */
  sealNotice(text: string): string {
    return this.#signer.sealNotice(text);
  }

  /** The step that sets the signed context of a tenant. Its bytes are kept for some seconds: signing costs more than reading. */
  context(tenant: TenantId): Step {
    const nowMs = this.#clock();
    const kept = this.#contexts.get(tenant);
    if (kept !== undefined && isWithin(nowMs, kept.madeMs, CONTEXT_REUSE_MS)) return kept.step;
    if (this.#contexts.size >= CONTEXTS_MAX) this.#contexts.clear();
    const expiresMs = Math.trunc(nowMs + this.#aheadMs + CONTEXT_LIFE_MS);
    const frames = new Frames();
    frames.bind(CONTEXT.name, [this.#signer.sign(tenant, this.wire.pid, expiresMs)]);
    const step: Step = { statement: CONTEXT, values: NO_VALUES, own: true, bind: frames.take() };
    this.#contexts.set(tenant, { step, madeMs: nowMs });
    return step;
  }
}

/** A connection on its way. `late` comes true when it takes so long that whoever waits for it had better go elsewhere. */
interface Opening {
  readonly sinceMs: number;
  readonly member: Promise<Member>;
  readonly late: PromiseWithResolvers<undefined>;
}

interface Waiter {
  sinceMs: number;
  readonly take: (member: Member) => void;
  readonly refuse: (error: unknown) => void;
}

/** How a pool stands: connections, and callers that wait for one. */
export interface PoolState {
  readonly open: number;
  /** Open, and neither used nor shared by reads at this moment. */
  readonly idle: number;
  readonly waiting: number;
  readonly max: number;
}

/** The connections of one role: a few lanes that reads share, the others for one transaction at a time. */
export class Pool {
  readonly #target: Target;
  readonly #signer: ContextSigner;
  readonly #clock: Clock;
  readonly #sizeMax: number;
  readonly #lanesMax: number;
  readonly #members = new Set<Member>();
  readonly #lanes: Member[] = [];
  readonly #idle: Member[] = [];
  readonly #waiting: Waiter[] = [];
  /** When each opening for those who wait began; a lane being opened is not among them. */
  readonly #openings = new Set<{ readonly sinceMs: number }>();
  #openingLane: Opening | undefined;
  #generation = 0;
  #refusal: { error: unknown; sinceMs: number } | undefined;
  #closed = false;
  #drained: (() => void) | undefined;
  readonly #sweep: NodeJS.Timeout;

  constructor(parts: { target: Target; signer: ContextSigner; clock: Clock; sizeMax: number }) {
    if (parts.sizeMax < CONNECTIONS_MIN) {
      throw new RingwallError("config.invalid", { message: `a pool needs at least ${CONNECTIONS_MIN} connections` });
    }
    this.#target = parts.target;
    this.#signer = parts.signer;
    this.#clock = parts.clock;
    this.#sizeMax = parts.sizeMax;
    this.#lanesMax = Math.min(LANES, parts.sizeMax - 1);
    this.#sweep = setInterval(() => {
      this.#tend();
    }, SWEEP_MS).unref();
  }

  state(): PoolState {
    const idleLanes = this.#lanes.filter(({ wire }) => wire.inFlight === 0).length;
    return {
      open: this.#members.size,
      idle: this.#idle.length + idleLanes,
      waiting: this.#waiting.length,
      max: this.#sizeMax,
    };
  }

  /** A connection to send one read over, beside others. At once when one is open. */
  shared(): Member | Promise<Member> {
    let best: Member | undefined;
    for (const lane of this.#lanes) if (best === undefined || lane.wire.inFlight < best.wire.inFlight) best = lane;
    if (best === undefined) return this.#firstLane();
    if (best.wire.inFlight > 0) {
      if (this.#lanes.length < this.#lanesMax && this.#members.size + this.#openings.size < this.#sizeMax) {
        this.#openLane();
      }
      if (best.wire.inFlight >= LANE_DEPTH_MAX || best.wire.waitingMs() > LANE_STALL_MS) return this.lease();
    }
    best.usedMs = this.#clock();
    return best;
  }

  /** A connection for one transaction. Give it back with `release`. */
  lease(): Member | Promise<Member> {
    const idle = this.#idle.pop();
    if (idle !== undefined) return idle;
    if (this.#closed) throw new RingwallError("database.unavailable", { detail: { reason: "closed" } });
    this.#checkRefusal();
    if (this.#waiting.length >= WAITING_MAX) throw busy("too many wait for a connection");
    if (this.#hasRoom() && this.#promising() <= this.#waiting.length) this.#openForWaiting();
    return new Promise((take, refuse) => {
      this.#waiting.push({ sinceMs: this.#clock(), take, refuse });
    });
  }

  /** Takes a leased connection back. One whose state is not known to be clean is closed. Lanes are never leased. */
  release(member: Member): void {
    if (member.lane) return;
    const { wire } = member;
    if (wire.broken === undefined && (wire.status !== "I" || wire.inFlight > 0)) {
      wire.destroy(new Error("a connection came back inside a transaction"));
    }
    if (wire.traced) wire.destroy(new Error("something of a statement may be left in this connection"));
    if (wire.broken !== undefined) {
      this.#settle();
      return;
    }
    member.usedMs = this.#clock();
    if (this.#isStale(member) || this.#closed) {
      this.#retire(member);
      return;
    }
    const next = this.#waiting.shift();
    if (next === undefined) this.#idle.push(member);
    else next.take(member);
  }

  /** After a rotation: every connection is replaced; those in use when they come back. */
  renew(): void {
    this.#generation += 1;
    for (const member of [...this.#idle, ...this.#lanes]) this.#retire(member);
  }

  /** Waits for what is running, then closes every connection. */
  async close(): Promise<void> {
    this.#closed = true;
    for (const waiter of this.#waiting.splice(0)) waiter.refuse(busy("closed"));
    for (const member of [...this.#idle, ...this.#lanes]) this.#retire(member);
    await new Promise<void>((done) => {
      this.#drained = done;
      this.#settle();
    });
    // Not before: a server that fell silent would be waited for without end.
    clearInterval(this.#sweep);
  }

  /** One place is kept for a lane, so that reads never wait for transactions; a second lane has to find room. */
  #hasRoom(): boolean {
    const lanes = Math.max(1, this.#lanes.length + (this.#openingLane === undefined ? 0 : 1));
    return this.#members.size - this.#lanes.length + this.#openings.size < this.#sizeMax - lanes;
  }

  /** Openings that may be relied upon. */
  #promising(): number {
    const nowMs = this.#clock();
    return [...this.#openings].filter(({ sinceMs }) => isWithin(nowMs, sinceMs, OPENING_MS)).length;
  }

  #settle(): void {
    if (
      this.#drained !== undefined &&
      this.#members.size === 0 &&
      this.#openings.size === 0 &&
      this.#openingLane === undefined
    )
      this.#drained();
  }

  #isStale(member: Member): boolean {
    return member.generation !== this.#generation || !isWithin(this.#clock(), member.openedMs, LIFETIME_MS);
  }

  /** No new work; says goodbye when the answers to what was sent are there, because a ping is answered last. */
  #retire(member: Member): void {
    remove(this.#idle, member);
    remove(this.#lanes, member);
    const ping = [{ statement: PING, values: NO_VALUES }];
    const leave = (): void => {
      if (member.wire.inFlight > 0) {
        // Somebody got hold of it just before.
        member.wire.send(ping, leave, leave);
        return;
      }
      member.wire.end().catch(() => {});
      this.#drop(member);
    };
    member.wire.send(ping, leave, leave);
  }

  #checkRefusal(): void {
    if (this.#refusal === undefined) return;
    if (isWithin(this.#clock(), this.#refusal.sinceMs, RECONNECT_MS)) throw this.#refusal.error;
    this.#refusal = undefined;
  }

  /** The lane that is being opened. When that fails or takes too long, a read goes over a connection of its own. */
  async #firstLane(): Promise<Member> {
    const { late, member } = this.#openLane();
    const first = await Promise.race([member, late.promise]).catch(() => undefined);
    return first ?? (await this.lease());
  }

  #openLane(): Opening {
    if (this.#openingLane !== undefined) return this.#openingLane;
    const member = this.#open(true)
      .then((opened) => {
        if (this.#closed || this.#isStale(opened)) this.#retire(opened);
        else this.#lanes.push(opened);
        return opened;
      })
      .finally(() => {
        this.#openingLane = undefined;
        this.#settle();
      });
    // Whoever waits for it is told; a lane that nobody waits for may fail.
    member.catch(() => {});
    this.#openingLane = { sinceMs: this.#clock(), member, late: Promise.withResolvers() };
    return this.#openingLane;
  }

  #openForWaiting(): void {
    const opening = { sinceMs: this.#clock() };
    this.#openings.add(opening);
    this.#open(false)
      .finally(() => {
        this.#openings.delete(opening);
      })
      .then((member) => {
        this.release(member);
        return undefined;
      })
      .catch((error: unknown) => {
        // While others are out, one will come back; else there is nothing to wait for.
        const leasable = this.#members.size > this.#lanes.length || this.#openings.size > 0;
        if (!leasable) for (const waiter of this.#waiting.splice(0)) waiter.refuse(error);
        this.#settle();
      });
  }

  async #open(lane: boolean): Promise<Member> {
    if (this.#closed) throw busy("closed");
    this.#checkRefusal();
    const generation = this.#generation;
    try {
      const client = await openClient(this.#target, true);
      const beforeMs = this.#clock();
      const { rows } = await firstAnswer<{ pid: number; now_ms: number }>(
        client,
        "select pg_catalog.pg_backend_pid() as pid, pg_catalog.date_part('epoch', pg_catalog.clock_timestamp()) * 1000 as now_ms",
      );
      const row = rows[0];
      assert(row !== undefined, "the server says who it is");
      const aheadMs = row.now_ms - (beforeMs + this.#clock()) / 2;
      const wire = new Wire(client, row.pid, this.#clock, () => {
        this.#drop(member);
      });
      const member: Member = new Member({ wire, lane, generation, signer: this.#signer, clock: this.#clock, aheadMs });
      this.#members.add(member);
      return member;
    } catch (error) {
      const refusal = error instanceof RingwallError ? error : unavailable(error, { stage: "connect" });
      this.#refusal = { error: refusal, sinceMs: this.#clock() };
      throw refusal;
    }
  }

  /** A connection broke: it is forgotten, and the next who needs one opens another. */
  #drop(member: Member): void {
    this.#members.delete(member);
    remove(this.#idle, member);
    remove(this.#lanes, member);
    if (this.#waiting.length > this.#promising() && !this.#closed) this.#openForWaiting();
    this.#settle();
  }

  /**
   * Ends connections that do not answer, and with them those that have not answered since: a network that forgot one has
   * mostly forgotten all, and each would cost somebody the same wait.
   */
  #endSilent(nowMs: number): void {
    const silent = [...this.#members].filter(({ wire }) => wire.waitingMs() > SILENCE_MS);
    const sinceMs = Math.max(...silent.map(({ wire }) => nowMs - wire.waitingMs()));
    const unused = [...this.#idle, ...this.#lanes].filter(
      ({ wire, usedMs }) => wire.inFlight === 0 && usedMs <= sinceMs,
    );
    for (const { wire } of [...silent, ...unused]) wire.destroy(new Error("the server does not answer"));
  }

  /** Twice a second: who waited too long is refused, silent connections are ended, old and idle ones retired. */
  #tend(): void {
    const nowMs = this.#clock();
    // After the clock was set back a wait is counted from here.
    for (const waiter of this.#waiting) waiter.sinceMs = Math.min(waiter.sinceMs, nowMs);
    while (this.#waiting[0] !== undefined && nowMs - this.#waiting[0].sinceMs > WAIT_MS) {
      this.#waiting.shift()?.refuse(busy("waited too long for a connection"));
    }
    this.#endSilent(nowMs);
    if (this.#waiting.length > this.#promising() && this.#hasRoom() && !this.#closed) this.#openForWaiting();
    const opening = this.#openingLane;
    if (opening !== undefined && !isWithin(nowMs, opening.sinceMs, OPENING_MS)) opening.late.resolve(undefined);
    for (const lane of this.#lanes.filter((one) => this.#isStale(one))) this.#retire(lane);
    for (const member of this.#idle.filter((one) => this.#isStale(one) || nowMs - one.usedMs > IDLE_MS)) {
      if (this.#isStale(member) || this.#members.size > CONNECTIONS_MIN) this.#retire(member);
    }
  }
}

/** Less than `spanMs` after `sinceMs`. A moment that has not come yet means that the clock was set back: it is not trusted. */
function isWithin(nowMs: number, sinceMs: number, spanMs: number): boolean {
  return nowMs >= sinceMs && nowMs - sinceMs < spanMs;
}

function remove(list: Member[], member: Member): void {
  const index = list.indexOf(member);
  if (index !== -1) list.splice(index, 1);
}
