import { type Kysely, sql } from "kysely";
import { assert, type Clock, isTenantId, RingwallError, type TenantId } from "../../core/index.ts";
import type { Fields } from "../fields/index.ts";
import { CONTEXT_LIFE_MS, type ContextSigner } from "../tenants/index.ts";

/** What work on whole tables stands on. */
export interface Owner {
  /** One connection of the role that owns the tables. */
  readonly db: Kysely<unknown>;
  readonly signer: ContextSigner;
  readonly clock: Clock;
  readonly fields: Fields;
  /** Every tenant there is. Rows of one that is not in the register are found before anything is final. */
  readonly tenants: () => Promise<readonly TenantId[]>;
  /** Lets that many milliseconds pass. */
  readonly wait: (ms: number) => Promise<void>;
  /** Checked between batches. */
  readonly signal: AbortSignal;
}

/** Rows of one transaction: short enough that a writer who wants one of them hardly waits. */
export const BATCH_ROWS = 250;
const LOCK_ATTEMPTS_MAX = 20;
const LOCK_PAUSE_MS = 250;
const LOCK_NOT_AVAILABLE = "55P03";

/**
 * One transaction as the owner in one tenant: under its signed context, so that the tenant's wall holds for the owner,
 * too, and a batch can never touch two tenants.
 */
export async function asTenant<T>(
  { clock, db, signer }: Owner,
  tenant: TenantId,
  work: (tx: Kysely<unknown>) => Promise<T>,
): Promise<T> {
  return await db.transaction().execute(async (tx) => {
    const { rows } = await sql<{ pid: number }>`select pg_backend_pid() as pid`.execute(tx);
    assert(rows[0] !== undefined, "a backend has a number");
    const context = signer.sign(tenant, rows[0].pid, clock() + CONTEXT_LIFE_MS);
    await sql`select set_config('ringwall.context', ${context}, true)`.execute(tx);
    return await work(tx);
  });
}

/**
 * One transaction that takes a strong lock, for a moment. It does not queue in front of everybody else's reads: when the
 * lock is not to be had in a second it lets go, and tries again.
 */
export async function withLock<T>(
  { db, wait }: Pick<Owner, "db" | "wait">,
  work: (tx: Kysely<unknown>) => Promise<T>,
): Promise<T> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await db.transaction().execute(async (tx) => {
        await sql`set local lock_timeout = '1s'`.execute(tx);
        return await work(tx);
      });
    } catch (error) {
      if (!isLockTimeout(error) || attempt === LOCK_ATTEMPTS_MAX) throw error;
      await wait(LOCK_PAUSE_MS);
    }
  }
}

function isLockTimeout(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === LOCK_NOT_AVAILABLE;
}

/**
 * Counts rows over all tenants, those of tenants that are not in the register too. Row-level security does not bind an
 * owner who is not forced; others never see that it was off, because the change ends with this transaction, locked.
 */
export async function countEverywhere(
  tx: Kysely<unknown>,
  { forced, name }: { readonly name: string; readonly forced: boolean },
  condition: ReturnType<typeof sql>,
): Promise<ReadonlyMap<string, number>> {
  const table = sql.table(name);
  if (forced) await sql`alter table ${table} no force row level security`.execute(tx);
  const { rows } = await sql<{ tenant_id: string; count: number }>`
    select tenant_id, count(*)::int as count from ${table} where ${condition} group by tenant_id`.execute(tx);
  if (forced) await sql`alter table ${table} force row level security`.execute(tx);
  return new Map(rows.map(({ count, tenant_id: tenant }) => [tenant, count]));
}

/** Runs `batch` in every tenant until it has nothing left to do, and waits for rows that others hold locked. */
export async function inEveryTenant(
  owner: Owner,
  steps: {
    /** How many rows are left. */
    readonly left: (tx: Kysely<unknown>) => Promise<number>;
    /** Does some, and says how many. */
    readonly batch: (tx: Kysely<unknown>, tenant: TenantId) => Promise<number>;
    readonly progress: (tenant: TenantId, done: number, total: number) => void;
  },
): Promise<void> {
  for (const tenant of await owner.tenants()) {
    assert(isTenantId(tenant), "the register holds tenants");
    const total = await asTenant(owner, tenant, steps.left);
    let done = 0;
    let idle = 0;
    if (total === 0) continue;
    for (;;) {
      owner.signal.throwIfAborted();
      const count = await asTenant(owner, tenant, async (tx) => await steps.batch(tx, tenant));
      done += count;
      if (count > 0) {
        idle = 0;
        steps.progress(tenant, done, Math.max(done, total));
        // Caught up: writers who go on making work must not keep this from ever ending. What is left is counted later.
        if (count < BATCH_ROWS && done >= total) break;
        continue;
      }
      if ((await asTenant(owner, tenant, steps.left)) === 0) break;
      idle += 1;
      if (idle > LOCK_ATTEMPTS_MAX) throw busy();
      await owner.wait(LOCK_PAUSE_MS);
    }
  }
}

function busy(): RingwallError {
  return new RingwallError("resource.conflict", {
    message: "some rows stay locked by other transactions: run the command again, it goes on where it stopped",
  });
}
