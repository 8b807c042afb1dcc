import { setTimeout as delay } from "node:timers/promises";
import {
  type Actor,
  actorTenant,
  assert,
  type Clock,
  type Database,
  type Lookup,
  randomBytes,
  type SqlValue,
  type Statement,
  statement,
  type TenantId,
  type Transaction,
} from "../../core/index.ts";
import type { ContextSigner } from "../../data/tenants/index.ts";
import type { Target } from "./connect.ts";
import { isContextRefused, isRetryable, isStatementLost, translate, unavailable } from "./errors.ts";
import { CONNECTIONS_MAX, type Member, Pool, type PoolState } from "./pool.ts";
import { Reads, tellRows, type WaitingRead } from "./reads.ts";
import { leavesTraces } from "./traces.ts";
import { TenantTransaction } from "./transaction.ts";
import type { Step, StepResult } from "./wire.ts";

/** One role on one PostgreSQL, and how its contexts are signed. */
export interface PostgresOptions {
  readonly target: Target;
  /** Signs the tenant contexts this role works under. */
  readonly signer: ContextSigner;
  readonly clock: Clock;
  /** 2 to 10 by default; more only with a reason, since reads share few. */
  readonly connectionsMax?: number;
}

/** The `Database` port, and what a rotation of its credential needs. */
export interface PostgresDatabase extends Database {
  /** Replaces every connection, after the credential was rotated; those in use when their work is done. */
  renew(): void;
  /** One trip to the server and back. @throws RingwallError `database.unavailable` */
  ping(): Promise<void>;
  /** How the connections stand at this moment, for people and metrics. */
  connections(): PoolState;
}

/** The first attempt and three more. */
const ATTEMPTS_MAX = 4;
const RETRY_MS = 10;
/** Who asks whether the database answers does not want to wait as long as a statement may. */
const PING_MS = 2_000;

const PING = statement("ringwall.ping", "select");
const NO_VALUES: readonly SqlValue[] = [];

/**
 * A statement of this kind shares a connection with other reads; everything else gets one to itself, so that commits
 * are written in groups. Only a matter of speed: nothing is decided by it.
 */
const READS = /^\s*select\b/i;
const WRITES = /\b(insert|update|delete|merge|nextval)\b|\bfor\s+(no\s+key\s+)?(update|share|key)/i;

const TEXTS_MAX = 4_000;

/** Connects when first used. @throws RingwallError `config.invalid` for a pool of fewer than two connections. */
export function postgresDatabase(options: PostgresOptions): PostgresDatabase {
  return new Postgres(options);
}

class Postgres implements PostgresDatabase {
  readonly #pool: Pool;
  readonly #isReadByText = new Map<string, boolean>();
  readonly #reads = new Reads((tenant, reads) => void this.#together(tenant, reads));

  constructor({ target, signer, clock, connectionsMax = CONNECTIONS_MAX }: PostgresOptions) {
    this.#pool = new Pool({ target, signer, clock, sizeMax: connectionsMax });
  }

  async forTenant<T>(tenant: TenantId, actor: Actor, work: (tx: Transaction) => Promise<T>): Promise<T> {
    checkActor(tenant, actor);
    for (let attempt = 1; ; attempt += 1) {
      const leased = this.#pool.lease();
      const member = leased instanceof Promise ? await leased : leased;
      const tx = new TenantTransaction(member, tenant, actor);
      try {
        const result = await work(tx);
        await tx.commit();
        return result;
      } catch (error) {
        await tx.rollback();
        const { failure } = tx;
        if (failure === undefined || failure.unknown || attempt === ATTEMPTS_MAX) throw error;
        const lost = member.wire.broken !== undefined;
        if (!this.#isAgain(failure.origin, attempt) && !(lost && attempt === 1)) throw error;
      } finally {
        this.#pool.release(member);
      }
      await pause(attempt);
    }
  }

  async once<Row extends object>(
    tenant: TenantId,
    actor: Actor,
    what: Statement<Row>,
    values: readonly SqlValue[] = NO_VALUES,
  ): Promise<readonly Row[]> {
    checkActor(tenant, actor);
    if (!this.#isRead(what)) return await this.#alone(tenant, what, values);
    // The statement declares its row type; the columns are PostgreSQL's.
    return (await this.#reads.read(tenant, { statement: what, values })) as readonly Row[];
  }

  async lookup<Row extends object>(name: Lookup, values: readonly SqlValue[]): Promise<Row | undefined> {
    const { parameters, call } = LOOKUPS[name];
    assert(values.length === parameters, "a lookup gets its values");
    const rows = await this.#alone<Row>(undefined, call as Statement<Row>, values);
    assert(rows.length <= 1, "a lookup finds one row at most");
    return rows[0];
  }

  renew(): void {
    this.#pool.renew();
  }

  connections(): PoolState {
    return this.#pool.state();
  }

  async ping(): Promise<void> {
    const late = new AbortController();
    const timeout = delay(PING_MS, undefined, { signal: late.signal, ref: false }).then(() => {
      throw unavailable(new Error("no answer in time"), { stage: "ping" });
    });
    // Ended by the answer it waits beside; nobody else hears of it.
    timeout.catch(() => {});
    try {
      await Promise.race([this.#alone(undefined, PING, NO_VALUES), timeout]);
    } finally {
      late.abort();
    }
  }

  async close(): Promise<void> {
    await this.#pool.close();
  }

  /** One statement, after its context when it has a tenant, with one Sync: a transaction of its own in one trip. */
  async #alone<Row extends object>(
    tenant: TenantId | undefined,
    what: Statement<Row>,
    values: readonly SqlValue[],
  ): Promise<readonly Row[]> {
    for (let attempt = 1; ; attempt += 1) {
      const found = this.#isRead(what) ? this.#pool.shared() : this.#pool.lease();
      const member = found instanceof Promise ? await found : found;
      try {
        const step: Step = { statement: what, values };
        const results = await send(member, tenant === undefined ? [step] : [member.context(tenant), step]);
        // The statement declares its row type; the columns are PostgreSQL's.
        return (results.at(-1)?.rows ?? []) as readonly Row[];
      } catch (failure) {
        const { lost, origin: error } = asSendFailure(failure);
        if (lost) throw unavailable(error, { outcome: "unknown", statement: what.name });
        if (attempt === ATTEMPTS_MAX || !this.#isAgain(error, attempt)) throw translate(error, what.name);
      } finally {
        this.#pool.release(member);
      }
      await pause(attempt);
    }
  }

  /** Whether another attempt can succeed and nothing of this one stayed. */
  #isAgain(error: unknown, attempt: number): boolean {
    if (isRetryable(error) || isStatementLost(error)) return true;
    if (!isContextRefused(error) || attempt > 1) return false;
    // Clocks moved apart, or this process was paused. That is true of every connection: new ones measure them anew.
    this.#pool.renew();
    return true;
  }

  /**
   * Several reads of one tenant in one transaction. When one fails nothing of any was done, and each goes its own way,
   * so that no caller sees another's mistake.
   */
  async #together(tenant: TenantId, reads: readonly WaitingRead[]): Promise<void> {
    if (reads.length > 1) {
      try {
        await this.#sendTogether(tenant, reads);
        return;
      } catch (failure) {
        const { lost, origin } = asSendFailure(failure);
        if (lost) {
          for (const { failed, step } of reads)
            failed(unavailable(origin, { outcome: "unknown", statement: step.statement.name }));
          return;
        }
      }
    }
    for (const read of reads) void this.#byItself(tenant, read);
  }

  async #byItself(tenant: TenantId, { step, done, failed }: WaitingRead): Promise<void> {
    try {
      done(await this.#alone(tenant, step.statement, step.values));
    } catch (error) {
      failed(error);
    }
  }

  async #sendTogether(tenant: TenantId, reads: readonly WaitingRead[]): Promise<void> {
    const found = this.#pool.shared();
    const member = found instanceof Promise ? await found : found;
    try {
      tellRows(reads, await send(member, [member.context(tenant), ...reads.map(({ step }) => step)]));
    } finally {
      this.#pool.release(member);
    }
  }

  #isRead({ text }: Pick<Statement, "text">): boolean {
    let reads = this.#isReadByText.get(text);
    if (reads === undefined) {
      // What may leave something behind never shares a connection: a shared one is not given back.
      reads = READS.test(text) && !WRITES.test(text) && !leavesTraces(text);
      // Texts are constants, so there are few; where they are not, memory has its limit all the same.
      if (this.#isReadByText.size >= TEXTS_MAX) this.#isReadByText.clear();
      this.#isReadByText.set(text, reads);
    }
    return reads;
  }
}

/** How a unit failed. `lost`: with its connection, so that nobody knows whether it was done. */
class SendFailure extends Error {
  readonly origin: unknown;
  readonly lost: boolean;

  constructor(origin: unknown, lost: boolean) {
    super("a unit failed", { cause: origin });
    this.origin = origin;
    this.lost = lost;
  }
}

function asSendFailure(error: unknown): SendFailure {
  return error instanceof SendFailure ? error : new SendFailure(error, false);
}

function send(member: Member, steps: readonly Step[]): Promise<readonly StepResult[]> {
  return new Promise((done, failed) => {
    // Asked at once: a connection that is being retired may be closed before anybody hears of this.
    member.wire.send(steps, done, (origin) => failed(new SendFailure(origin, member.wire.broken !== undefined)));
  });
}

/** The wall before the wall: an actor works in its own tenant, unless it is a named system capability. */
function checkActor(tenant: TenantId, actor: Actor): void {
  const own = actorTenant(actor);
  assert(own === undefined ? actor.type === "system" : own === tenant, "an actor works in its own tenant");
}

/** Jitter, so that two transactions that met do not meet again. */
async function pause(attempt: number): Promise<void> {
  await delay(RETRY_MS * attempt * (0.5 + randomBytes(1).readUInt8() / 256));
}

/** Each narrow function with the parameters it has; a call with another number of values is a bug of ours. */
const LOOKUPS: Readonly<Record<Lookup, { readonly parameters: number; readonly call: Statement }>> = {
  session_by_hash: {
    parameters: 1,
    call: statement("lookup.session_by_hash", "select * from ringwall.session_by_hash($1)"),
  },
  sign_in_user: {
    parameters: 2,
    call: statement("lookup.sign_in_user", "select * from ringwall.sign_in_user($1, $2)"),
  },
  tenant_by_id: { parameters: 1, call: statement("lookup.tenant_by_id", "select * from ringwall.tenant_by_id($1)") },
  link_by_hash: { parameters: 1, call: statement("lookup.link_by_hash", "select * from ringwall.link_by_hash($1)") },
  login_by_hash: { parameters: 1, call: statement("lookup.login_by_hash", "select * from ringwall.login_by_hash($1)") },
};
