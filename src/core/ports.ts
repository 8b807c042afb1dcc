import type { Actor } from "./actor.ts";
import type { TenantId } from "./ids.ts";

/** What PostgreSQL takes as a bind parameter. Times go as ISO text, money and counters as bigint. */
export type SqlValue = string | number | bigint | boolean | null | Buffer | readonly string[];

/**
 * One SQL statement, written out as a constant. `name` is unique per text: the server prepares it once per connection.
 * Values travel as bind parameters only; nothing of a request is ever part of `text`.
 */
export interface Statement<Row extends object = object> {
  readonly name: string;
  readonly text: string;
  /** Carries the row type; never present at run time. */
  readonly row?: Row | undefined;
}

/** Declares a statement. @example const READ = statement<{ balance: bigint }>("bank.read", "select balance from ..."); */
export function statement<Row extends object = Record<string, unknown>>(name: string, text: string): Statement<Row> {
  return { name, text };
}

/** One transaction bound to one tenant. Dies with the callback that got it. */
export interface Transaction {
  readonly tenant: TenantId;
  readonly actor: Actor;
  /** Runs one statement and returns its rows. Statements issued in one tick travel in one round trip. */
  run<Row extends object>(statement: Statement<Row>, values?: readonly SqlValue[]): Promise<readonly Row[]>;
  /** Queues a statement that travels with the commit. It failing fails the transaction. */
  defer(statement: Statement, values: readonly SqlValue[]): void;
  /** Tells every node, when and only if this transaction commits, to forget something. */
  invalidate(message: Invalidation): void;
}

/** The narrow look-ups that exist before a principal is known: SECURITY DEFINER, one row each. */
export type Lookup = "session_by_hash" | "sign_in_user" | "tenant_by_id" | "link_by_hash" | "login_by_hash";

/** How layers reach the database: always as one actor in one tenant, or through a narrow look-up. */
export interface Database {
  /**
   * The only way to a tenant's rows: one transaction that carries the signed context of `tenant`.
   *
   * The first statement travels with BEGIN and the context, deferred statements with COMMIT. When `work` throws,
   * everything is rolled back and the error goes on. A serialization failure or deadlock (SQLSTATE 40001, 40P01) is
   * tried again, three times at most, so `work` must have no effect outside the transaction.
   *
   * @throws AssertionFailed when the actor belongs to another tenant.
   * @throws RingwallError `database.unavailable` when no connection can be had; nothing was done then.
   */
  forTenant<T>(tenant: TenantId, actor: Actor, work: (tx: Transaction) => Promise<T>): Promise<T>;

  /** One protected statement in a transaction of its own: one round trip. For reads and single conditional updates. */
  once<Row extends object>(
    tenant: TenantId,
    actor: Actor,
    statement: Statement<Row>,
    values?: readonly SqlValue[],
  ): Promise<readonly Row[]>;

  /** Calls a narrow SECURITY DEFINER function of the schema `ringwall`; at most one row. */
  lookup<Row extends object>(name: Lookup, values: readonly SqlValue[]): Promise<Row | undefined>;

  /** Waits for running transactions, then closes every connection. */
  close(): Promise<void>;
}

/** Something that changed on another node and must be forgotten here within a second. */
export interface Invalidation {
  readonly kind: "session" | "user" | "tenant" | "key" | "secret" | "epoch";
  readonly tenant: TenantId;
  readonly id: string;
}

/** Pushes invalidations to every node. */
export interface Bus {
  /** True while messages arrive. When false, caches must not be trusted and state is read from the database. */
  readonly up: boolean;
  subscribe(listener: (message: Invalidation) => void): () => void;
  /** Called when the connection is lost or regained: caches are emptied then, since messages may be missing. */
  onGap(listener: () => void): () => void;
}

/** Address, account, tenant, API key and route are five; more in one call is a mistake. */
export const BUCKETS_MAX = 8;
/** A tenant (50), a purpose and an e-mail address (320) fit; a longer key is a caller's bug, not a visitor's. */
export const BUCKET_KEY_CHARS_MAX = 512;

/** One limit of one key. `limit` per `periodMs` on average, and up to `burst` at once (GCRA). */
export interface Bucket {
  /** Starts with the tenant or with the literal `-` before a tenant is known. */
  readonly key: string;
  readonly limit: number;
  readonly periodMs: number;
  readonly burst: number;
}

/**
 * Microseconds between two units of a bucket at its average pace, rounded up so that no adapter lets through more than
 * `limit` per period. Whole numbers, so that every adapter counts alike; a burst is `burst` times this.
 */
export function unitMicros(bucket: Bucket): number {
  return Math.ceil((bucket.periodMs * 1_000) / bucket.limit);
}

/**
 * What came of one `take`. `remaining` is what the tightest bucket still holds and `tightest` its index; `retryAfterMs`
 * is 0 when allowed. `refused` is the index of the bucket that said no (the one that keeps the caller waiting longest
 * when several did), and -1 when none did.
 */
export interface Taken {
  readonly allowed: boolean;
  readonly remaining: number;
  readonly tightest: number;
  readonly retryAfterMs: number;
  readonly refused: number;
}

/**
 * Where rate limits live. One atomic operation over several buckets: takes one from each, or from none.
 * The keys of one call differ from each other; at most `BUCKETS_MAX` of them, each at most `BUCKET_KEY_CHARS_MAX` long.
 *
 * @throws RingwallError `counters.unavailable` when the store cannot be asked. The caller must refuse then.
 */
export interface CounterStore {
  take(buckets: readonly Bucket[]): Taken | Promise<Taken>;
}
