import { setTimeout as delay } from "node:timers/promises";
import {
  type Actor,
  actorTenant,
  assert,
  type Clock,
  type Database,
  type Lookup,
  type SqlValue,
  type Statement,
  statement,
  type TenantId,
  type Transaction,
} from "../../core/index.ts";
import { type ContextSigner, CONTEXT_LIFE_MS } from "../../data/tenants/index.ts";
import type { Target } from "./connect.ts";
import { isContextRefused, isStatementLost, translate, unavailable } from "./errors.ts";
import { Frames } from "./frames.ts";
import { Pool } from "./pool.ts";
import { TenantTransaction } from "./transaction.ts";
import type { Step, Wire } from "./wire.ts";

const CONTEXT = statement("ringwall.context", "select set_config('ringwall.context', $1, true)");

/** Half of a context's life: what is sent has at least the other half left when it arrives. */
const CONTEXT_REUSE_MS = CONTEXT_LIFE_MS / 2;
/** Contexts kept for one connection; about 300 bytes each. */
const CONTEXTS_MAX = 2_000;
const ATTEMPTS_MAX = 3;
const RETRY_MS = 5;

const LOOKUPS: Readonly<Record<Lookup, Statement>> = {
  session_by_hash: statement("lookup.session_by_hash", "select * from ringwall.session_by_hash($1)"),
  sign_in_user: statement("lookup.sign_in_user", "select * from ringwall.sign_in_user($1, $2)"),
  tenant_by_id: statement("lookup.tenant_by_id", "select * from ringwall.tenant_by_id($1)"),
  link_by_hash: statement("lookup.link_by_hash", "select * from ringwall.link_by_hash($1)"),
  login_by_hash: statement("lookup.login_by_hash", "select * from ringwall.login_by_hash($1)"),
};

export interface PostgresOptions {
  readonly target: Target;
  readonly signer: ContextSigner;
  readonly clock: Clock;
  /** Connections at most, shared ones included. */
  readonly poolMax?: number;
}

export interface PostgresDatabase extends Database {
  /** After the role's credential changed: connections are replaced as their work ends. */
  renew(): void;
}

interface SignedContext {
  readonly bind: Uint8Array;
  readonly untilMs: number;
}

/**
 * Ringwall's `Database` on PostgreSQL 15 or later. `once` is one round trip: the context's Bind, the statement's Bind,
 * one Sync, which PostgreSQL runs as one transaction; a statement that ran before its context would see no rows.
 *
 * A slow single statement holds up those behind it on the same shared connection; the statement timeout bounds that.
 */
export function postgresDatabase(options: PostgresOptions): PostgresDatabase {
  const { target, signer, clock } = options;
  const pool = new Pool({ target, max: options.poolMax ?? 10, clock });
  const contexts = new WeakMap<Wire, Map<TenantId, SignedContext>>();

  function contextStep(wire: Wire, tenant: TenantId): Step {
    let known = contexts.get(wire);
    if (known === undefined || known.size >= CONTEXTS_MAX) contexts.set(wire, (known = new Map()));
    const nowMs = clock();
    let signed = known.get(tenant);
    if (signed === undefined || nowMs >= signed.untilMs) {
      const frames = new Frames();
      frames.bind(CONTEXT.name, [signer.sign(tenant, wire.pid, nowMs + CONTEXT_LIFE_MS)]);
      signed = { bind: frames.take(), untilMs: nowMs + CONTEXT_REUSE_MS };
      known.set(tenant, signed);
    }
    return { statement: CONTEXT, values: [], bind: signed.bind, done: nothing, failed: nothing };
  }

  async function unit<Row extends object>(
    tenant: TenantId | undefined,
    wanted: Statement<Row>,
    values: readonly SqlValue[],
    attempt = 1,
  ): Promise<readonly Row[]> {
    const shared = pool.shared();
    const wire = shared instanceof Promise ? await shared : shared;
    try {
      return await new Promise<readonly Row[]>((resolve, reject) => {
        // The row type is the statement's own declaration.
        const step: Step = { statement: wanted, values, done: (rows) => resolve(rows as readonly Row[]), failed: reject };
        wire.send(tenant === undefined ? [step] : [contextStep(wire, tenant), step]);
      });
    } catch (error) {
      if (attempt < ATTEMPTS_MAX && wire.broken === undefined && (isStatementLost(error) || isContextRefused(error))) {
        // Nothing ran: the server forgot the statement, or the context ended on its way.
        if (tenant !== undefined) contexts.get(wire)?.delete(tenant);
        wire.forget([{ statement: wanted, values, done: nothing, failed: nothing }]);
        return await unit(tenant, wanted, values, attempt + 1);
      }
      throw wire.broken === undefined ? translate(error, wanted.name) : unavailable(error, { outcome: "unknown" });
    }
  }

  async function attempt<T>(tenant: TenantId, actor: Actor, work: (tx: Transaction) => Promise<T>): Promise<Attempt<T>> {
    const wire = await pool.acquire();
    const tx = new TenantTransaction(wire, tenant, actor, contextStep(wire, tenant));
    try {
      const value = await work(tx);
      await tx.commit();
      return { done: true, value };
    } catch (error) {
      await tx.rollback();
      return { done: false, error, retryable: tx.retryable };
    } finally {
      pool.release(wire);
    }
  }

  return {
    async forTenant(tenant, actor, work) {
      checkActor(tenant, actor);
      for (let count = 1; ; count += 1) {
        const outcome = await attempt(tenant, actor, work);
        if (outcome.done) return outcome.value;
        if (!outcome.retryable || count === ATTEMPTS_MAX) throw outcome.error;
        // Spread by the connection's number, so that two that met do not meet again.
        await delay(RETRY_MS * count * count + (clock() % RETRY_MS));
      }
    },
    async once(tenant, actor, wanted, values = []) {
      checkActor(tenant, actor);
      return await unit(tenant, wanted, values);
    },
    async lookup<Row extends object>(name: Lookup, values: readonly SqlValue[]) {
      const rows = await unit(undefined, LOOKUPS[name] as Statement<Row>, values);
      assert(rows.length <= 1, "a look-up finds at most one row");
      return rows[0];
    },
    renew() {
      pool.renew();
    },
    close: async () => await pool.close(),
  };
}

type Attempt<T> =
  | { readonly done: true; readonly value: T }
  | { readonly done: false; readonly error: unknown; readonly retryable: boolean };

/** The tenant comes from who acts. Only a named system capability acts in a tenant that is not its own. */
function checkActor(tenant: TenantId, actor: Actor): void {
  const own = actorTenant(actor);
  assert(own === undefined || own === tenant, "an actor reaches its own tenant");
}

function nothing(): void {}
