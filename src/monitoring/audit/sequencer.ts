import { randomUUID } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import {
  type Actor,
  type Clock,
  type Database,
  isoTime,
  type Logger,
  PLATFORM_TENANT,
  RingwallError,
  silentLogger,
  statement,
  type TenantId,
} from "../../core/index.ts";
import { appendValues, type Batch, planBatch, refuseValues, type TakenRow } from "./batch.ts";
import type { AuditConfig } from "./config.ts";
import { formatHead, type Head, type HeadSigner, type HeadVerifier, type SignedHead, signHead } from "./heads.ts";
import type { HeadStore } from "./ports.ts";
import { reconcile } from "./reconcile.ts";
import { workerSource } from "./source.ts";

const CLAIM = statement<{ epoch: bigint | null }>(
  "audit.claim",
  "select ringwall.audit_claim($1::uuid, $2::integer) as epoch",
);
const RENEW = statement<{ mine: boolean }>(
  "audit.renew",
  "select ringwall.audit_renew($1::bigint, $2::integer) as mine",
);
const RELEASE = statement("audit.release", "select ringwall.audit_release($1::bigint)");
const PEEK = statement<{ mine: boolean; waiting: boolean }>(
  "audit.peek",
  "select mine, waiting from ringwall.audit_peek($1::bigint)",
);
const TAKE = statement<TakenRow>("audit.take", "select * from ringwall.audit_take($1::bigint, $2::integer)");
const APPEND = statement("audit.append", "select ringwall.audit_append($1::bigint, $2, $3, $4, $5, $6)");
const REFUSE = statement("audit.refuse", "select ringwall.audit_refuse($1::bigint, $2, $3, $4)");
const SIGN = statement("audit.sign", "select ringwall.audit_sign($1::bigint, $2, $3, $4)");

const ACTOR: Actor = { type: "system", capability: "audit.sequence" };
const TAKEN_OVER = "another audit sequencer took over";
// After a fault: long enough not to hammer a database that restarts, short enough to catch up soon.
const FAULT_PAUSE_MS = 1_000;

/** What the sequencer stands on. */
export interface SequencerOptions {
  /** Connected as the worker role, which can do this and nothing else. */
  readonly database: Database;
  readonly signer: HeadSigner;
  /** Keys whose heads are believed at the start: the signer's, and the one before it while keys rotate. */
  readonly verifier: HeadVerifier;
  readonly heads: HeadStore;
  readonly clock: Clock;
  readonly config: AuditConfig;
  readonly log?: Logger;
}

/** `standby`: another process holds the place. `stopped`: the database does not continue what was signed. */
export type SequencerState = "standby" | "active" | "stopped";

/** What the sequencer is doing, for readiness and for people. */
export interface SequencerStatus {
  readonly state: SequencerState;
  readonly reason: string | undefined;
  /** Entries chained, and rows put aside, since this process started. */
  readonly appended: number;
  readonly refused: number;
  /** Tenants whose newest entries no signature covers yet. */
  readonly unsigned: number;
  /** Age of the oldest record when the last batch was taken; 0 since the outbox was last seen empty. */
  readonly lagMs: number;
  /** When the outbox was last looked at with success; undefined before the first time. A standby does not look. */
  readonly roundMs: number | undefined;
}

/** Chains and signs what the outbox holds; one is active at a time. */
export interface Sequencer {
  /**
   * Claims the place if it is free, holds the database against the copies, and goes on in the background.
   * @throws RingwallError `audit.unavailable` with `detail.reason` when the database is behind its copies or differs.
   */
  start(): Promise<void>;
  /** One round: takes a batch, signs what is due. True when there may be more at once. */
  step(): Promise<boolean>;
  /** Chains, signs and copies all that is committed now. @throws RingwallError `audit.unavailable` without the place. */
  drain(): Promise<void>;
  /** Ends the background work, signs what is not signed yet, and gives the place up at once. */
  stop(): Promise<void>;
  status(): SequencerStatus;
}

/** One worker that turns outbox rows into each tenant's chain. Run one per node: one is active, the rest stand by. */
export function createSequencer(options: SequencerOptions): Sequencer {
  return new OutboxSequencer(options);
}

interface Lease {
  readonly epoch: bigint;
  renewedMs: number;
}

/** What may be believed only while the place is held. */
interface Tenure extends Lease {
  /** Heads as last committed by us: the database must agree with them at every batch. */
  readonly known: Map<TenantId, Head>;
  /** Tenants that grew since their last signature. */
  readonly unsigned: Set<TenantId>;
  readonly signedAtMs: Map<TenantId, number>;
  /** Signed, and perhaps not stored or not copied yet. Both stores take a head twice. */
  outgoing: SignedHead[];
}

class OutboxSequencer implements Sequencer {
  readonly #options: SequencerOptions;
  readonly #log: Logger;
  readonly #holder = randomUUID();
  readonly #stopping = new AbortController();
  #tenure: Tenure | undefined;
  #stopped: RingwallError | undefined;
  #appended = 0;
  #refused = 0;
  #lagMs = 0;
  #roundMs: number | undefined;
  #busy: Promise<unknown> = Promise.resolve();
  #running: Promise<void> | undefined;

  constructor(options: SequencerOptions) {
    this.#options = options;
    this.#log = options.log ?? silentLogger;
  }

  async start(): Promise<void> {
    await this.#alone(() => this.#hold());
    this.#running ??= this.#run();
  }

  step(): Promise<boolean> {
    return this.#alone(() => this.#round(false));
  }

  drain(): Promise<void> {
    return this.#alone(async () => {
      while (await this.#round(true));
      if (this.#tenure === undefined) {
        throw new RingwallError("audit.unavailable", { detail: { reason: "another sequencer holds the place" } });
      }
    });
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#running;
    await this.#alone(async () => {
      const tenure = this.#tenure;
      if (tenure === undefined) return;
      await this.#sign(tenure, true);
      await this.#options.database.once(PLATFORM_TENANT, ACTOR, RELEASE, [tenure.epoch]);
      this.#tenure = undefined;
    });
  }

  status(): SequencerStatus {
    const reason = this.#stopped?.detail["reason"];
    return {
      state: this.#stopped !== undefined ? "stopped" : this.#tenure === undefined ? "standby" : "active",
      reason: reason === undefined ? undefined : String(reason),
      appended: this.#appended,
      refused: this.#refused,
      unsigned: this.#tenure?.unsigned.size ?? 0,
      lagMs: this.#lagMs,
      roundMs: this.#roundMs,
    };
  }

  /** One thing at a time: background rounds, `drain` and `stop` share what is known. */
  #alone<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#busy.then(work);
    this.#busy = result.catch(() => undefined);
    return result;
  }

  async #run(): Promise<void> {
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      let pauseMs = this.#options.config.pollMs;
      try {
        if (await this.step()) pauseMs = 0;
      } catch (err) {
        if (this.#stopped !== undefined) {
          this.#log.error(
            { err, reason: this.status().reason },
            "audit sequencing has stopped; the log must be looked at",
          );
          return;
        }
        this.#log.warn({ err }, "audit sequencing failed and is tried again");
        pauseMs = FAULT_PAUSE_MS;
      }
      if (pauseMs > 0) await delay(pauseMs, undefined, { ref: false, signal }).catch(() => undefined);
    }
  }

  /** Anything that goes wrong ends the tenure: what was committed is unknown then, so it is read again. */
  async #round(all: boolean): Promise<boolean> {
    const tenure = await this.#hold();
    if (tenure === undefined) return false;
    try {
      const more = await this.#chain(tenure);
      if (this.#tenure === undefined) return false;
      await this.#sign(tenure, all);
      return more;
    } catch (error) {
      this.#tenure = undefined;
      throw await this.#judge(error, tenure.epoch);
    }
  }

  /**
   * Says whether an error is the end. A verdict on the log counts only while the place is held: else another process may
   * have written between two of our reads. The place is then given up, so that whoever looks into it need not wait.
   */
  async #judge(error: unknown, epoch: bigint): Promise<unknown> {
    if (!(error instanceof RingwallError) || error.code !== "audit.unavailable") return error;
    const { database, config } = this.#options;
    const [row] = await database.once(PLATFORM_TENANT, ACTOR, RENEW, [epoch, config.leaseMs]);
    if (row?.mine !== true) return new RingwallError("resource.conflict", { detail: { reason: TAKEN_OVER } });
    this.#stopped = error;
    await database.once(PLATFORM_TENANT, ACTOR, RELEASE, [epoch]);
    return error;
  }

  async #hold(): Promise<Tenure | undefined> {
    if (this.#stopped !== undefined) throw this.#stopped;
    if (this.#tenure !== undefined) return this.#tenure;
    const { database, heads, verifier, clock, config } = this.#options;
    const renewedMs = clock();
    const [row] = await database.once(PLATFORM_TENANT, ACTOR, CLAIM, [this.#holder, config.leaseMs]);
    const epoch = row?.epoch ?? undefined;
    if (epoch === undefined) return undefined;
    const lease = { epoch, renewedMs };
    const keep = async (): Promise<void> => {
      if (await this.#renewed(lease)) return;
      throw new RingwallError("resource.conflict", { detail: { reason: TAKEN_OVER } });
    };
    try {
      const found = await reconcile({ source: workerSource(database, ACTOR), heads, verifier, keep });
      this.#tenure = { ...found, signedAtMs: new Map(), ...lease };
    } catch (error) {
      throw await this.#judge(error, epoch);
    }
    return this.#tenure;
  }

  /** Renews the lease when a third of it is over. False when another process took over. */
  async #renewed(lease: Lease): Promise<boolean> {
    const { database, clock, config } = this.#options;
    const nowMs = clock();
    if (nowMs - lease.renewedMs < config.leaseMs / 3) return true;
    const [row] = await database.once(PLATFORM_TENANT, ACTOR, RENEW, [lease.epoch, config.leaseMs]);
    if (row?.mine !== true) return false;
    lease.renewedMs = nowMs;
    return true;
  }

  /** Moves one batch. True when the batch was full. */
  async #chain(tenure: Tenure): Promise<boolean> {
    const { database, config } = this.#options;
    const [seen] = await database.once(PLATFORM_TENANT, ACTOR, PEEK, [tenure.epoch]);
    if (seen?.mine !== true) return this.#lost();
    this.#roundMs = this.#options.clock();
    if (!seen.waiting) this.#lagMs = 0;
    if (!seen.waiting) return (await this.#renewed(tenure)) ? false : this.#lost();
    const renewedMs = this.#options.clock();
    // Retried by the database port on a serialization failure: it remembers nothing until it has committed.
    const batch = await database.forTenant(PLATFORM_TENANT, ACTOR, async (tx): Promise<Batch | undefined> => {
      const [[renewed], rows] = await Promise.all([
        tx.run(RENEW, [tenure.epoch, config.leaseMs]),
        tx.run(TAKE, [tenure.epoch, config.batchSize]),
      ]);
      if (renewed?.mine !== true) return undefined;
      this.#lagMs = lagOf(rows, renewedMs);
      const plan = planBatch(rows, tenure.known);
      if (plan.append.events.length > 0) tx.defer(APPEND, appendValues(tenure.epoch, plan));
      if (plan.refuse.events.length > 0) tx.defer(REFUSE, refuseValues(tenure.epoch, plan));
      return plan;
    });
    if (batch === undefined) return this.#lost();
    tenure.renewedMs = renewedMs;
    return this.#remember(tenure, batch);
  }

  #remember(tenure: Tenure, { append, refuse, heads }: Batch): boolean {
    for (const [tenant, head] of heads) {
      tenure.known.set(tenant, head);
      tenure.unsigned.add(tenant);
    }
    this.#appended += append.events.length;
    this.#refused += refuse.events.length;
    const odd = refuse.reasons.filter((reason) => reason !== "repeated");
    if (odd.length > 0) {
      const tenants = [...new Set(refuse.tenants)];
      this.#log.error({ tenants, reasons: [...new Set(odd)], rows: odd.length }, "outbox rows are no audit records");
    }
    return append.events.length + refuse.events.length >= this.#options.config.batchSize;
  }

  /** Another process took over while this one was paused: it knows the heads now, and this one does not. */
  #lost(): false {
    this.#log.warn({}, TAKEN_OVER);
    this.#tenure = undefined;
    return false;
  }

  /**
   * Signs the heads that are due, stores them in the database and then outside. Heads were committed before: a head that
   * is signed exists.
   */
  async #sign(tenure: Tenure, all: boolean): Promise<void> {
    const { signer, heads, database, clock, config } = this.#options;
    const nowMs = clock();
    const due: TenantId[] = [];
    for (const tenant of tenure.unsigned) {
      const lastMs = tenure.signedAtMs.get(tenant) ?? Number.NEGATIVE_INFINITY;
      if (all || nowMs - lastMs >= config.signMs) due.push(tenant);
    }
    for (const tenant of due) {
      const head = tenure.known.get(tenant);
      if (head === undefined) continue;
      tenure.outgoing.push(signHead(signer, head, isoTime(nowMs)));
      tenure.unsigned.delete(tenant);
      tenure.signedAtMs.set(tenant, nowMs);
    }
    const { outgoing } = tenure;
    if (outgoing.length === 0) return;
    await database.once(PLATFORM_TENANT, ACTOR, SIGN, [
      tenure.epoch,
      outgoing.map((head) => head.tenant),
      outgoing.map((head) => String(head.size)),
      outgoing.map(formatHead),
    ]);
    await heads.append(outgoing);
    tenure.outgoing = [];
  }
}

function lagOf(rows: readonly TakenRow[], nowMs: number): number {
  const oldestMs = rows.reduce((least, row) => Math.min(least, Number(row.occurred_ms)), nowMs);
  return nowMs - oldestMs;
}
