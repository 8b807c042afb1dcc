import type { Cluster } from "./cluster.ts";

/** Sessions that the load is spread over. Session `i` belongs to bank `i % 2` and owns one account. */
export const SESSIONS = 64;
/** Accounts of each bank beside those, so that the planner uses the primary key as it would in production. */
export const IDLE_ACCOUNTS = 5_000;
/** In minor units. Large enough that no round runs an account dry. */
export const OPENING_BALANCE = 1_000_000_000_000;
/** In minor units: what each transfer moves. Below any step-up limit. */
export const TRANSFER_AMOUNT = 1;
/** Connections in every variant's pool: the founding document's maximum, and the default of `pg`. */
export const POOL_CONNECTIONS = 10;

export const BANKS = ["northbank", "southbank"] as const;

/**
 * One way to build the same two routes, `GET /api/accounts/{id}` and `POST /api/transfers`.
 *
 * All variants get the same spread: session `i` reads its own account, and transfers from it to a second account of the
 * same bank that nobody else uses. So no row is hot, no two transfers wait for each other except those of one session,
 * and no order of locks can deadlock.
 */
export interface Variant {
  readonly name: string;
  readonly role: "ours" | "peer";
  /** True when it claims to protect. It is then attacked before it is measured: what is switched off is not measured. */
  readonly isGuarded: boolean;
  /** Creates its database, seeds it and starts its server as a process of its own. */
  start(cluster: Cluster): Promise<RunningVariant>;
}

export interface RunningVariant {
  readonly url: string;
  /** The server's process, whose CPU time is measured. */
  readonly pid: number;
  /** The account of each session. */
  readonly accountIds: readonly string[];
  /** What the session's client sends beside the method: cookie, origin. */
  headersFor(session: number): Readonly<Record<string, string>>;
  /** The JSON body of the session's transfer. */
  transferBody(session: number): string;
  stop(): Promise<void>;
}
