import {
  type Actor,
  AssertionFailed,
  assert,
  type Invalidation,
  type SqlValue,
  type Statement,
  statement,
  type TenantId,
  type Transaction,
} from "../../core/index.ts";
import { translate, unavailable } from "./errors.ts";
import type { Member } from "./pool.ts";
import type { Step, StepResult } from "./wire.ts";

/** Statements one transaction may issue without waiting, and put off until its commit. */
const QUEUE_MAX = 10_000;

const BEGIN = statement("ringwall.begin", "begin");
const COMMIT = statement("ringwall.commit", "commit");
const ROLLBACK = statement("ringwall.rollback", "rollback");
// Invalidations travel on this channel as a sealed JSON array of kind, tenant and id; the bus listens there.
const NOTIFY = statement("ringwall.notify", "select from pg_catalog.pg_notify('ringwall_invalidation', $1)");

interface Pending {
  readonly step: Step;
  readonly done: (rows: readonly object[]) => void;
  readonly failed: (error: unknown) => void;
}

/** What stopped a transaction: as PostgreSQL said it, which decides about another attempt, and as the caller is told. */
export interface Failure {
  readonly origin: unknown;
  readonly told: unknown;
  /** COMMIT was on its way when the connection was lost. */
  readonly unknown: boolean;
}

/** A bug of the caller's, or an injected statement. */
const ENDED = new AssertionFailed("assertion failed: a transaction is ended by its callback, not by a statement");

function endedEarly(results: readonly StepResult[]): boolean {
  return results.some(({ tag }) => tag === "COMMIT");
}

/** One transaction on one leased connection. BEGIN and the context travel with the first statement, COMMIT with the last. */
export class TenantTransaction implements Transaction {
  readonly tenant: TenantId;
  readonly actor: Actor;
  readonly #member: Member;
  readonly #deferred: Step[] = [];
  #pending: Pending[] = [];
  #begun = false;
  #over = false;
  #failure: Failure | undefined;

  constructor(member: Member, tenant: TenantId, actor: Actor) {
    this.#member = member;
    this.tenant = tenant;
    this.actor = actor;
  }

  get failure(): Failure | undefined {
    return this.#failure;
  }

  run<Row extends object>(statement: Statement<Row>, values: readonly SqlValue[] = []): Promise<readonly Row[]> {
    assert(!this.#over, "a transaction is used only inside its callback");
    assert(this.#pending.length < QUEUE_MAX, "a transaction issues a bounded number of statements at once");
    if (this.#failure !== undefined) return Promise.reject(this.#failure.told);
    if (this.#pending.length === 0) {
      process.nextTick(() => {
        this.#flush();
      });
    }
    const rows = new Promise<readonly object[]>((done, failed) => {
      this.#pending.push({ step: { statement, values }, done, failed });
    });
    // Whoever does not wait for it hears of a failure from the commit.
    rows.catch(() => {});
    // The statement declares its row type; the columns are PostgreSQL's.
    return rows as Promise<readonly Row[]>;
  }

  defer(statement: Statement, values: readonly SqlValue[]): void {
    assert(!this.#over, "a transaction is used only inside its callback");
    assert(this.#deferred.length < QUEUE_MAX, "a transaction defers a bounded number of statements");
    this.#deferred.push({ statement, values });
  }

  invalidate(message: Invalidation): void {
    this.defer(NOTIFY, [this.#member.sealNotice(JSON.stringify([message.kind, message.tenant, message.id]))]);
  }

  /**
   * Sends what is left and COMMIT in one trip.
   * @throws The first error of any statement, also of one that `work` swallowed: its transaction is lost either way.
   */
  async commit(): Promise<void> {
    const pending = this.#pending;
    this.#pending = [];
    this.#over = true;
    if (this.#failure !== undefined) {
      for (const { failed } of pending) failed(this.#failure.told);
      throw this.#failure.told;
    }
    if (!this.#begun && pending.length === 0 && this.#deferred.length === 0) return;
    const steps = [
      ...pending.map(({ step }) => step),
      ...this.#deferred,
      { statement: COMMIT, values: [], own: true as const },
    ];
    const results = await this.#send(steps, true, pending);
    assert(results.at(-1)?.tag === "COMMIT", "a transaction that was to be committed was committed");
  }

  /** Undoes everything. The connection is clean afterwards, or broken. */
  async rollback(): Promise<void> {
    this.#over = true;
    for (const { failed } of this.#pending.splice(0)) failed(new Error("the transaction was rolled back"));
    const { wire } = this.#member;
    if (!this.#begun || wire.broken !== undefined || (wire.inFlight === 0 && wire.status === "I")) return;
    await new Promise<void>((settled) => {
      wire.send(
        [{ statement: ROLLBACK, values: [], own: true }],
        () => {
          settled();
        },
        (error) => {
          wire.destroy(new Error("rollback failed", { cause: error }));
          settled();
        },
      );
    });
  }

  #flush(): void {
    const pending = this.#pending;
    if (pending.length === 0) return;
    this.#pending = [];
    this.#send(
      pending.map(({ step }) => step),
      false,
      pending,
    ).catch(() => {
      // Told to each of them, and kept for the commit.
    });
  }

  /** Sends the steps, after BEGIN and the context when they are the first, and tells those who wait for them. */
  async #send(steps: readonly Step[], commits: boolean, pending: readonly Pending[]): Promise<readonly StepResult[]> {
    const first = !this.#begun;
    this.#begun = true;
    const all: readonly Step[] = first
      ? [{ statement: BEGIN, values: [], own: true }, this.#member.context(this.tenant), ...steps]
      : steps;
    const { wire } = this.#member;
    return await new Promise((done, refuse) => {
      wire.send(
        all,
        (results) => {
          const own = first ? results.slice(2) : results;
          if (endedEarly(commits ? own.slice(0, -1) : own) || (!commits && wire.status !== "T")) {
            // What follows would run outside the transaction, and what was to be undone may be committed.
            wire.destroy(new Error("a statement ended the transaction"));
            this.#failure ??= { origin: ENDED, told: ENDED, unknown: true };
            for (const waiting of pending) waiting.failed(ENDED);
            refuse(ENDED);
            return;
          }
          for (const [index, waiting] of pending.entries()) waiting.done(own[index]?.rows ?? []);
          done(own);
        },
        (origin, step) => {
          const lost = wire.broken !== undefined;
          const told = lost
            ? unavailable(origin, commits ? { outcome: "unknown", stage: "commit" } : { outcome: "undone" })
            : translate(origin, step?.statement.name ?? "");
          this.#failure ??= { origin, told, unknown: lost && commits };
          for (const waiting of pending) waiting.failed(told);
          // `told` is an Error of ours, or whatever the driver threw.
          refuse(told);
        },
      );
    });
  }
}
