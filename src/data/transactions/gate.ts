import type { DriverPool, DriverQuery, DriverResult } from "./driver.ts";
import { BoundClient } from "./handle.ts";
import { misuse } from "./transaction.ts";

/** How `pg`'s pool hands a client to a callback. */
export type ConnectCallback = (
  error: Error | undefined,
  client?: GatedClient,
  release?: (destroy?: unknown) => void,
) => void;

/** What the gate hands out. */
export interface GatedClient {
  query<Row = Record<string, unknown>>(
    query: string | DriverQuery,
    values?: readonly unknown[],
  ): Promise<DriverResult<Row>>;
  release(): void;
  on(): unknown;
  removeListener(): unknown;
}

/**
 * Looks like `pg`'s pool to a query builder. Inside `run` every client is the transaction's one connection; outside
 * nothing is handed out. drizzle-orm knows a pool by "Pool" in the name of its class.
 */
export class GatedPool {
  readonly #bound: (nests: boolean) => BoundClient;
  readonly #pool: DriverPool;
  readonly #outside: ReadonlySet<string>;

  /** @param outside - Texts that run without a tenant, hence reach no tenant's rows. */
  constructor(bound: (nests: boolean) => BoundClient, pool: DriverPool, outside: ReadonlySet<string>) {
    this.#bound = bound;
    this.#pool = pool;
    this.#outside = outside;
  }

  /**
   * A handle to the connection of the run around the caller. A transaction over it is a savepoint.
   * @throws RingwallError `internal` outside of every run.
   */
  connect(): Promise<BoundClient>;
  connect(callback: ConnectCallback): void;
  connect(callback?: ConnectCallback): Promise<BoundClient> | undefined {
    if (callback === undefined) return this.#promised();
    let client: GatedClient;
    try {
      client = this.#bound(true);
    } catch (error) {
      if (this.#outside.size === 0) {
        callback(error instanceof Error ? error : misuse("no connection"));
        return undefined;
      }
      client = this.#unbound();
    }
    callback(undefined, client, () => {
      client.release();
    });
    return undefined;
  }

  async #promised(): Promise<BoundClient> {
    return this.#bound(true);
  }

  /** One statement in the run around the caller. @throws RingwallError `internal` outside of every run. */
  async query<Row = Record<string, unknown>>(
    query: string | DriverQuery,
    values?: readonly unknown[],
  ): Promise<DriverResult<Row>> {
    return await this.#bound(false).query<Row>(query, values);
  }

  /** The application ends its own pool itself. */
  async end(callback?: () => void): Promise<void> {
    callback?.();
  }

  /** Errors of idle connections are told by the application's own pool. */
  on(): this {
    return this;
  }

  /** Takes the named texts alone. */
  #unbound(): GatedClient {
    const pool = this.#pool;
    const outside = this.#outside;
    return {
      async query<Row>(query: string | DriverQuery): Promise<DriverResult<Row>> {
        if (typeof query !== "string" || !outside.has(query)) {
          throw misuse("no tenant is set here: call run(tenant, actor, work) and use the database inside its work");
        }
        const client = await pool.connect();
        let usable = false;
        try {
          const answer = (await client.query({ text: query, queryMode: "extended" })) as DriverResult<Row>;
          usable = true;
          return answer;
        } finally {
          client.release(!usable);
        }
      },
      release() {},
      on() {},
      removeListener() {},
    };
  }
}
