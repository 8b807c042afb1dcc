import type { DriverQuery, DriverResult } from "./driver.ts";
import { boundary, refusal } from "./text.ts";
import { misuse, type TenantTransaction } from "./transaction.ts";

/** Statements under one tenant's context. What `run` hands to its work; ends with it. */
export interface TenantConnection {
  /**
   * Sends one statement, always in the extended protocol, so that PostgreSQL takes no second one in the same text.
   * @throws RingwallError `internal` with what to do for what may not run here; whatever the driver throws.
   */
  query<Row = Record<string, unknown>>(
    query: string | DriverQuery,
    values?: readonly unknown[],
  ): Promise<DriverResult<Row>>;
}

/** A client as query builders expect one. It is the transaction's only connection, whoever else holds a handle to it. */
export class BoundClient implements TenantConnection {
  readonly #transaction: TenantTransaction;
  /** Whether a transaction may begin over this handle. It becomes a savepoint. */
  readonly #nests: boolean;
  #state: "fresh" | "begun" | "ended" = "fresh";

  constructor(transaction: TenantTransaction, nests: boolean) {
    this.#transaction = transaction;
    this.#nests = nests;
  }

  async query<Row = Record<string, unknown>>(
    query: string | DriverQuery,
    values?: readonly unknown[],
    callback?: unknown,
  ): Promise<DriverResult<Row>> {
    const { text, ...asked } = statementOf(query, values, callback);
    if (this.#state === "ended") throw misuse("this handle's transaction has ended");
    const edge = boundary(text);
    if (edge === undefined) {
      const reason = refusal(text);
      if (reason !== undefined) throw misuse(reason);
      return (await this.#transaction.send(this, { ...asked, text })) as DriverResult<Row>;
    }
    if (!this.#nests) throw misuse("the transaction begins and ends with run(); use a savepoint inside");
    if ((edge === "begin") !== (this.#state === "fresh")) throw misuse(`${edge} does not fit here`);
    this.#state = edge === "begin" ? "begun" : "ended";
    await this.#transaction.nest(this, edge);
    return { rows: [], rowCount: null, command: edge.toUpperCase() };
  }

  /** Gives the handle back. A transaction that is still open over it dooms the whole. */
  release(): void {
    if (this.#state === "begun") this.#transaction.doom(misuse("a handle was released inside its transaction"));
    this.#state = "ended";
  }

  /** A lost connection is told by the statement it hits; listeners hear nothing. */
  on(): this {
    return this;
  }

  once(): this {
    return this;
  }

  off(): this {
    return this;
  }

  removeListener(): this {
    return this;
  }
}

function statementOf(query: unknown, values: unknown, callback: unknown): DriverQuery {
  if (typeof values === "function" || typeof callback === "function") throw misuse("query() answers with a promise");
  const asked: unknown = typeof query === "string" ? { text: query } : query;
  if (typeof asked !== "object" || asked === null || !("text" in asked) || typeof asked.text !== "string") {
    throw misuse("a statement is a text, or an object with one; cursors and streams do not run here");
  }
  if ("submit" in asked) throw misuse("cursors and streams do not run here");
  const { text, name, rowMode, types } = asked as DriverQuery;
  const given = values ?? (asked as DriverQuery).values ?? [];
  if (!Array.isArray(given)) throw misuse("the values are an array");
  return {
    text,
    values: given as unknown[],
    ...(name === undefined ? {} : { name }),
    ...(rowMode === undefined ? {} : { rowMode }),
    ...(types === undefined ? {} : { types }),
  };
}
