import {
  type Actor,
  assert,
  type Invalidation,
  type SqlValue,
  type Statement,
  statement,
  type TenantId,
  type Transaction,
} from "../../core/index.ts";
import { isRetryable, translate, unavailable } from "./errors.ts";
import type { Step, Wire } from "./wire.ts";

const BEGIN = statement("ringwall.begin", "begin");
const COMMIT = statement("ringwall.commit", "commit");
const ROLLBACK = statement("ringwall.rollback", "rollback");
const NOTIFY = statement("ringwall.notify", "select pg_notify('ringwall_invalidation', $1)");

/** A transaction is small by nature; more deferred statements than this is a loop gone wrong. */
const DEFERRED_MAX = 1_000;

interface Queued {
  readonly statement: Statement;
  readonly values: readonly SqlValue[];
  readonly done: (rows: readonly object[], tag: string) => void;
  readonly failed: (error: unknown) => void;
}

/**
 * One interactive transaction on a connection of its own. Statements of one tick travel in one unit; the first unit
 * carries BEGIN and the context in front, the last one the deferred statements and COMMIT.
 */
export class TenantTransaction implements Transaction {
  readonly tenant: TenantId;
  readonly actor: Actor;
  /** True when an error came that a new attempt may not meet. */
  retryable = false;
  readonly #wire: Wire;
  readonly #context: Step;
  #queue: Queued[] = [];
  readonly #deferred: { statement: Statement; values: readonly SqlValue[] }[] = [];
  #scheduled = false;
  #begun = false;
  #over = false;

  constructor(wire: Wire, tenant: TenantId, actor: Actor, context: Step) {
    this.#wire = wire;
    this.tenant = tenant;
    this.actor = actor;
    this.#context = context;
  }

  async run<Row extends object>(wanted: Statement<Row>, values: readonly SqlValue[] = []): Promise<readonly Row[]> {
    assert(!this.#over, "a transaction is not used after its callback");
    return await new Promise<readonly Row[]>((resolve, reject) => {
      this.#queue.push({
        statement: wanted,
        values,
        // The row type is the statement's own declaration.
        done: (rows) => resolve(rows as readonly Row[]),
        failed: (error) => {
          this.retryable ||= isRetryable(error);
          reject(this.#failure(error, wanted.name));
        },
      });
      if (this.#scheduled) return;
      this.#scheduled = true;
      queueMicrotask(() => {
        this.#scheduled = false;
        if (this.#queue.length > 0) this.#send(this.#take());
      });
    });
  }

  defer(wanted: Statement, values: readonly SqlValue[]): void {
    assert(!this.#over, "a transaction is not used after its callback");
    assert(this.#deferred.length < DEFERRED_MAX, "a transaction defers a bounded number of statements");
    this.#deferred.push({ statement: wanted, values });
  }

  invalidate(message: Invalidation): void {
    this.defer(NOTIFY, [JSON.stringify(message)]);
  }

  /** Sends what is left with COMMIT. @throws RingwallError `database.unavailable` with `outcome: unknown` when unsure. */
  async commit(): Promise<void> {
    this.#over = true;
    if (!this.#begun && this.#queue.length === 0 && this.#deferred.length === 0) return;
    const steps = this.#take();
    let failure: { error: unknown; name: string } | undefined;
    let tag = "";
    for (const { statement: wanted, values } of this.#deferred) {
      steps.push({ statement: wanted, values, done: nothing, failed: (error) => (failure ??= { error, name: wanted.name }) });
    }
    steps.push({
      statement: COMMIT,
      values: [],
      done: (_rows, answered) => (tag = answered),
      failed: (error) => (failure ??= { error, name: COMMIT.name }),
    });
    await new Promise<void>((ready) => this.#wire.send(steps, ready));
    const failed = failure as { error: unknown; name: string } | undefined;
    if (failed !== undefined) {
      this.retryable ||= isRetryable(failed.error);
      if (this.#wire.broken !== undefined) throw unavailable(failed.error, { stage: "commit", outcome: "unknown" });
      throw translate(failed.error, failed.name);
    }
    // A transaction that failed earlier ends with ROLLBACK although COMMIT was asked for.
    assert(tag === "COMMIT", "a commit commits");
  }

  async rollback(): Promise<void> {
    this.#over = true;
    this.#queue = [];
    if (!this.#begun || this.#wire.broken !== undefined) return;
    await new Promise<void>((ready) =>
      this.#wire.send([{ statement: ROLLBACK, values: [], done: nothing, failed: nothing }], ready),
    );
  }

  #send(steps: Step[]): void {
    this.#wire.send(steps);
  }

  #take(): Step[] {
    const steps: Step[] = this.#begun
      ? []
      : [{ statement: BEGIN, values: [], done: nothing, failed: nothing }, this.#context];
    this.#begun = true;
    steps.push(...this.#queue);
    this.#queue = [];
    return steps;
  }

  #failure(error: unknown, name: string): unknown {
    return this.#wire.broken === undefined ? translate(error, name) : unavailable(error, { stage: "statement" });
  }
}

function nothing(): void {}
