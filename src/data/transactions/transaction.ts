import { RingwallError } from "../../core/index.ts";
import type { DriverClient, DriverQuery } from "./driver.ts";
import type { Boundary } from "./text.ts";

/** The application used the connection otherwise than it may. The message says what to do, and no value. */
export function misuse(message: string): RingwallError {
  return new RingwallError("internal", { message });
}

/** One transaction of one tenant: its connection, one statement at a time, and whether it may still commit. */
export class TenantTransaction {
  readonly #client: DriverClient;
  readonly #named: boolean;
  readonly #elsewhere: (self: TenantTransaction) => boolean;
  #last: Promise<unknown> = Promise.resolve();
  #running = 0;
  #closed = false;
  #doom: Error | undefined;
  /** Whoever began a transaction inside, and the name of its savepoint. Nobody else sends anything meanwhile. */
  #inside: { readonly holder: object; readonly savepoint: string } | undefined;
  #savepoints = 0;

  /**
   * @param named - Whether prepared statements may keep their names; a pooler confuses them.
   * @param elsewhere - Whether the caller is in the run of another transaction.
   */
  constructor(client: DriverClient, named: boolean, elsewhere: (self: TenantTransaction) => boolean) {
    this.#client = client;
    this.#named = named;
    this.#elsewhere = elsewhere;
  }

  /** Sends a statement that was looked at, after those before it. */
  async send(holder: object, query: DriverQuery): Promise<unknown> {
    this.#check(holder);
    const { name, ...unnamed } = query;
    return await this.#queue(this.#named && name !== undefined ? query : unnamed);
  }

  /** A transaction inside the transaction, as a savepoint. */
  async nest(holder: object, edge: Boundary): Promise<void> {
    this.#check(holder);
    if (edge === "begin") {
      this.#savepoints += 1;
      this.#inside = { holder, savepoint: `ringwall_${this.#savepoints}` };
      await this.#queue({ text: `savepoint ${this.#inside.savepoint}` });
      return;
    }
    const savepoint = this.#inside?.savepoint;
    if (savepoint === undefined || this.#inside?.holder !== holder) throw misuse(`${edge} does not fit here`);
    try {
      if (edge === "rollback") await this.#queue({ text: `rollback to savepoint ${savepoint}` });
      await this.#queue({ text: `release savepoint ${savepoint}` });
    } catch (error) {
      // Whether what was done inside counts is not known any more.
      this.doom(error instanceof Error ? error : misuse("a transaction inside did not end"));
      throw error;
    } finally {
      this.#inside = undefined;
    }
  }

  /** It must not commit any more. */
  doom(reason: Error): void {
    this.#doom ??= reason;
  }

  /** Nothing more is taken. @returns why it must not commit, if so. */
  close(): Error | undefined {
    this.#closed = true;
    if (this.#running > 0) this.doom(misuse("statements were still running when the work of run() ended; await each"));
    if (this.#inside !== undefined)
      this.doom(misuse("a transaction inside was still open when the work of run() ended"));
    return this.#doom;
  }

  /** Whether statements are on their way. */
  get busy(): boolean {
    return this.#running > 0;
  }

  #check(holder: object): void {
    if (this.#closed) throw misuse("this handle's transaction has ended; call run() for another");
    if (this.#doom !== undefined) throw this.#doom;
    if (this.#elsewhere(this)) throw misuse("this handle belongs to another run() than the one around the caller");
    if (this.#inside !== undefined && this.#inside.holder !== holder) {
      throw misuse("a transaction is open inside this one; use its handle until it ends");
    }
  }

  async #queue(query: DriverQuery): Promise<unknown> {
    this.#running += 1;
    const answer = this.#last.then(async () => await this.#client.query({ ...query, queryMode: "extended" }));
    // The next is sent when this one is answered, whatever it is.
    this.#last = answer.catch(() => {});
    try {
      return await answer;
    } finally {
      this.#running -= 1;
    }
  }
}
