import { AsyncLocalStorage } from "node:async_hooks";
import { type Actor, actorTenant, assert, RingwallError, type TenantId } from "../../core/index.ts";
import { CONTEXT_LIFE_MS, type ContextSigner } from "../tenants/index.ts";
import type { DriverClient, DriverPool } from "./driver.ts";
import { GatedPool } from "./gate.ts";
import { BoundClient, type TenantConnection } from "./handle.ts";
import { misuse, TenantTransaction } from "./transaction.ts";

/** How a transaction begins. */
export interface RunOptions {
  /** PostgreSQL's own names; its default is `read committed`. */
  readonly isolation?: "read committed" | "repeatable read" | "serializable";
  readonly readOnly?: boolean;
}

/** The application's way to its own driver: one transaction at a time for one tenant. */
export interface TenantTransactions {
  /**
   * Runs `work` in a transaction under the tenant's signed context, commits when it returns, rolls back when it throws. A
   * run inside another is a transaction of its own, over a connection of its own.
   * @throws whatever `work` throws; RingwallError `config.invalid` for a login that no wall holds or a pooler that was not
   * declared; `database.unavailable` with `outcome: "unknown"` when it is not known whether the commit happened.
   */
  run<T>(
    tenant: TenantId,
    actor: Actor,
    work: (connection: TenantConnection) => Promise<T>,
    options?: RunOptions,
  ): Promise<T>;
  /** The connection of the run around the caller. @throws RingwallError `internal` when there is none. */
  current(): TenantConnection;
  /** A pool for query builders: hands out the connection of the run around the caller, and refuses without one. */
  readonly pool: GatedPool;
}

/** Where the transactions run, and who signs for them. */
export interface TransactionsOptions {
  /** The application's own pool, which nobody else uses: what others leave in a connection is not known here. */
  readonly pool: DriverPool;
  readonly signer: ContextSigner;
  /** PgBouncer or the like in transaction mode stands between: prepared statements lose their names. */
  readonly pooler?: "transaction";
  /** Texts that may also run without a tenant, letter by letter. They reach no tenant's rows. */
  readonly outside?: readonly string[];
}

interface Opening {
  readonly pid: number;
  readonly now_ms: number;
  readonly walled: boolean;
  readonly clean: boolean;
  readonly path: string;
}

interface Closing {
  readonly clean: boolean;
  readonly path: string;
}

const OPENING = `select pg_catalog.pg_backend_pid() as pid,
  pg_catalog.date_part('epoch', pg_catalog.clock_timestamp()) * 1000 as now_ms,
  not (select rolsuper or rolbypassrls from pg_catalog.pg_roles where rolname = current_user) as walled,
  current_user = session_user and not exists (select from pg_catalog.pg_cursors)
    and not exists (select from pg_catalog.pg_prepared_statements where from_sql) as clean,
  pg_catalog.current_setting('search_path') as path`;

// The filter is never true: the setting is made and no token travels back.
const CONTEXT = "select where pg_catalog.set_config('ringwall.context', $1, true) is null";

// Constraints that wait for the commit are checked while the context still stands. The context goes for the session, too,
// so that one that was kept in it is gone. In the simple protocol: in the extended one the question is a cursor itself.
const CLOSING = `set constraints all immediate;
  select current_user = session_user and not exists (select from pg_catalog.pg_cursors)
    and not exists (select from pg_catalog.pg_prepared_statements where from_sql)
    and pg_catalog.set_config('ringwall.context', '', false) = '' as clean,
  pg_catalog.current_setting('search_path') as path`;

/** @see TenantTransactions */
export function tenantTransactions(options: TransactionsOptions): TenantTransactions {
  const around = new AsyncLocalStorage<TenantTransaction>();
  const bound = (nests: boolean): BoundClient => {
    const transaction = around.getStore();
    if (transaction === undefined) {
      throw misuse("no tenant is set here: call run(tenant, actor, work) and use the database inside its work");
    }
    return new BoundClient(transaction, nests);
  };
  const elsewhere = (self: TenantTransaction): boolean => (around.getStore() ?? self) !== self;
  return {
    pool: new GatedPool(bound, options.pool, new Set(options.outside)),
    current: () => bound(false),
    async run(tenant, actor, work, runOptions = {}) {
      const own = actorTenant(actor);
      assert(own === undefined ? actor.type === "system" : own === tenant, "an actor works in its own tenant");
      const client = await options.pool.connect();
      const lost = (): void => {};
      // A connection that breaks in between is told by the next statement; unheard it would end the process.
      client.on("error", lost);
      let usable = false;
      try {
        const path = await open(client, tenant, runOptions, options);
        const transaction = new TenantTransaction(client, options.pooler === undefined, elsewhere);
        const { outcome, settled } = await perform(transaction, around, work);
        usable = settled && (await close(client, outcome, path));
        if ("error" in outcome) throw outcome.error;
        return outcome.value;
      } finally {
        client.removeListener("error", lost);
        client.release(!usable);
      }
    },
  };
}

type Outcome<T> = { readonly value: T } | { readonly error: unknown };

async function perform<T>(
  transaction: TenantTransaction,
  around: AsyncLocalStorage<TenantTransaction>,
  work: (connection: TenantConnection) => Promise<T>,
): Promise<{ readonly outcome: Outcome<T>; readonly settled: boolean }> {
  let outcome: Outcome<T>;
  try {
    const value = await around.run(transaction, async () => await work(new BoundClient(transaction, false)));
    outcome = { value };
  } catch (error) {
    outcome = { error };
  }
  const doom = transaction.close();
  if (doom !== undefined && !("error" in outcome)) outcome = { error: doom };
  return { outcome, settled: !transaction.busy };
}

/** BEGIN, whose connection this is, and the context signed for it. @returns the search path. */
async function open(
  client: DriverClient,
  tenant: TenantId,
  { isolation = "read committed", readOnly = false }: RunOptions,
  { signer, pooler }: TransactionsOptions,
): Promise<string> {
  assert(
    ["read committed", "repeatable read", "serializable"].includes(isolation),
    "an isolation level of PostgreSQL's",
  );
  const begin = `begin isolation level ${isolation} ${readOnly ? "read only" : "read write"}`;
  const answers = (await client.query({ text: `${begin}; ${OPENING}` })) as readonly { readonly rows: Opening[] }[];
  const row = answers[1]?.rows[0];
  assert(row !== undefined, "the server says who it is");
  if (!row.walled) {
    throw invalid("this login is a superuser or bypasses row-level security; no wall holds it");
  }
  if (!row.clean) throw invalid("something was left in this connection; the pool has to be for run() alone");
  // What the server said when the connection was made. Behind a pooler that is another's number.
  const said = "processID" in client ? client.processID : undefined;
  if (pooler === undefined && typeof said === "number" && said !== row.pid) {
    throw invalid('a pooler stands before this database: say pooler: "transaction"');
  }
  const expiresMs = Math.trunc(row.now_ms + CONTEXT_LIFE_MS);
  await client.query({ text: CONTEXT, values: [signer.sign(tenant, row.pid, expiresMs)], queryMode: "extended" });
  return row.path;
}

/** Commits or rolls back. @returns whether the connection may serve another tenant. @throws when it did not commit. */
async function close(client: DriverClient, outcome: Outcome<unknown>, path: string): Promise<boolean> {
  if ("error" in outcome) {
    // What a failed transaction could leave is looked at when the next begins, and goes with the connection then. The
    // error is the work's own, so nothing here hides it.
    return await client.query({ text: "rollback" }).then(
      () => true,
      () => false,
    );
  }
  const answers = (await client.query({ text: CLOSING })) as readonly { readonly rows: readonly Closing[] }[];
  const row = answers[1]?.rows[0];
  // Not even the commit: a cursor that outlives its transaction is made by it.
  if (row?.clean !== true || row.path !== path) {
    throw misuse("a statement left something in the connection; nothing was committed");
  }
  let command: string;
  try {
    ({ command } = (await client.query({ text: "commit" })) as { readonly command: string });
  } catch (error) {
    if (isRefusedByServer(error)) throw error;
    throw new RingwallError("database.unavailable", { detail: { outcome: "unknown" }, cause: error });
  }
  if (command !== "COMMIT") throw misuse("the transaction had failed before and was rolled back");
  return true;
}

/** The server itself said no, with a code; a connection that broke has none of these. */
function isRefusedByServer(error: unknown): boolean {
  const code: unknown = error instanceof Error && "code" in error ? error.code : undefined;
  return typeof code === "string" && /^(?:23|40)[0-9A-Z]{3}$/.test(code);
}

function invalid(message: string): RingwallError {
  return new RingwallError("config.invalid", { message });
}
