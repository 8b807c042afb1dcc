import {
  type Clock,
  type Database,
  isoTime,
  isTenantId,
  type Logger,
  PLATFORM_TENANT,
  type Recorder,
  RingwallError,
  type SystemActor,
  type TenantId,
} from "../../../core/index.ts";
import type { Erasures } from "../../erasure/index.ts";
import { requireOpened } from "../closed.ts";
import { BEGIN_DELETION, DELETE_ROWS, DUE, ERASED, FINISH_DELETION, REFERENCES, TABLES } from "../statements.ts";
import { type DeletionStep, deletionOrder } from "./order.ts";

const DELETER: SystemActor = { type: "system", capability: "tenants.delete" };
/** Rows of one transaction: short enough that nobody waits for it. */
const BATCH_ROWS = 500;
/** Of one round; the others are in the next one. */
const TENANTS_MAX = 10;
/** Batches of one round: whoever looks after other things between rounds is not kept waiting. */
const BATCHES_MAX = 200;

/** What deleting stands on. */
export interface DeletionRunParts {
  /** As `ringwall_app`, which keeps the register. */
  readonly database: Database;
  /** As `ringwall_worker`, which deletes rows of a tenant whose end has begun, and of no other. */
  readonly worker: Database;
  readonly erasures: Pick<Erasures, "erase">;
  readonly recorder: Recorder;
  readonly clock: Clock;
  readonly log: Logger;
  /** Waits after so many rows, so that the work does not crowd out what people do. */
  readonly pace: (rows: number) => Promise<void>;
}

/** Carries out the deletions that are due. */
export interface DeletionRunner {
  /**
   * One round: what is due begins, what was begun goes on, by this process or by another one that was killed. Each step
   * can be done again, and two nodes at once do no harm.
   * @returns Whether there is more to do at once.
   */
  tick(): Promise<boolean>;
}

interface Due {
  readonly tenant: TenantId;
  readonly status: string;
  readonly approver: string;
  readonly reason: string;
}

/**
 * The order of a tenant's end, each step committed before the next one begins:
 *
 * 1. its state says so, and every node refuses it and its sessions within a second;
 * 2. its keys are destroyed: the order is signed and kept outside the database, and so is the certificate;
 * 3. its rows are deleted, in every walled table, a batch at a time, until a whole pass finds none;
 * 4. its entry in the register loses the name and keeps the id, which is never given again.
 *
 * Fails closed: a table in whose wall the owner has no door stops the third step, and is named in the log; until then the
 * tenant is refused and its sealed data is unreadable.
 */
export function deletionRunner(parts: DeletionRunParts): DeletionRunner {
  return new Runner(parts);
}

class Runner implements DeletionRunner {
  readonly #parts: DeletionRunParts;
  #batchesLeft = 0;

  constructor(parts: DeletionRunParts) {
    this.#parts = parts;
  }

  async tick(): Promise<boolean> {
    const { clock, database, log } = this.#parts;
    const values = [isoTime(clock()), TENANTS_MAX];
    const rows = await database.once(PLATFORM_TENANT, DELETER, DUE, values);
    this.#batchesLeft = BATCHES_MAX;
    let isMore = rows.length === TENANTS_MAX;
    for (const { deletion_by: approver, deletion_reason: reason, status, tenant_id: tenant } of rows) {
      if (!isTenantId(tenant)) throw new RingwallError("internal", { detail: { what: "a tenant's id" } });
      // One tenant's trouble is not the others': it is said, and tried again in the next round.
      try {
        if (!(await this.#goOn({ tenant, status, approver, reason }))) isMore = true;
      } catch (error) {
        log.error({ err: error, tenant }, "a tenant could not be deleted; the next round goes on");
        isMore = false;
      }
    }
    return isMore;
  }

  /** @returns Whether it is done. */
  async #goOn(due: Due): Promise<boolean> {
    if (due.status !== "deleting" && !(await this.#begin(due.tenant))) return true;
    const erasure = await this.#erase(due);
    if (!(await this.#deleteRows(due.tenant))) return false;
    await this.#finish(due.tenant, erasure);
    return true;
  }

  /** @returns False when somebody undid it at this moment. */
  async #begin(tenant: TenantId): Promise<boolean> {
    const { clock, database, recorder } = this.#parts;
    return await database.forTenant(PLATFORM_TENANT, DELETER, async (tx) => {
      const [row] = await tx.run(BEGIN_DELETION, [tenant, isoTime(clock())]);
      if (row === undefined) return false;
      tx.invalidate({ kind: "tenant", tenant, id: tenant });
      const targets = [{ type: "tenant", id: tenant }];
      const event = { action: "tenant.deletion_begun", outcome: "success", actor: DELETER, targets } as const;
      await recorder.record(tx, { ...event, tenant: PLATFORM_TENANT });
      return true;
    });
  }

  async #erase({ approver, reason, tenant }: Due): Promise<string> {
    const { erasures, worker } = this.#parts;
    const [done] = await worker.once(tenant, DELETER, ERASED);
    if (done !== undefined) return done.erasure_id;
    const what = { subject: "tenant" } as const;
    return (await erasures.erase({ actor: DELETER, approver, tenant, reason, what })).id;
  }

  /** @returns Whether none is left. */
  async #deleteRows(tenant: TenantId): Promise<boolean> {
    const steps = await this.#steps(tenant);
    // Whoever was in the middle of writing when the end began may have written behind us: until a pass finds nothing.
    for (let isClean = false; !isClean; ) {
      isClean = true;
      for (const step of steps) {
        for (let deleted = BATCH_ROWS; deleted > 0; ) {
          if (this.#batchesLeft <= 0) return false;
          this.#batchesLeft -= 1;
          deleted = await this.#deleteBatch(tenant, step);
          if (deleted > 0) isClean = false;
          await this.#parts.pace(deleted);
          if (deleted < BATCH_ROWS) break;
        }
      }
    }
    return true;
  }

  async #deleteBatch(tenant: TenantId, { atOnce, tables }: DeletionStep): Promise<number> {
    const values = [tables, atOnce ? null : BATCH_ROWS];
    const [row] = await this.#parts.worker.forTenant(tenant, DELETER, async (tx) => await tx.run(DELETE_ROWS, values));
    return Number(row?.deleted ?? 0);
  }

  async #steps(tenant: TenantId): Promise<readonly DeletionStep[]> {
    const { worker } = this.#parts;
    const [tables, references] = await Promise.all([
      worker.once(tenant, DELETER, TABLES),
      worker.once(tenant, DELETER, REFERENCES),
    ]);
    const wanted = tables.filter(({ kept }) => !kept);
    requireOpened(wanted, "deleted from");
    return deletionOrder(
      wanted.map(({ table_oid: oid }) => oid),
      references,
    );
  }

  async #finish(tenant: TenantId, erasure: string): Promise<void> {
    const { clock, database, log, recorder } = this.#parts;
    await database.forTenant(PLATFORM_TENANT, DELETER, async (tx) => {
      const [row] = await tx.run(FINISH_DELETION, [tenant, isoTime(clock())]);
      if (row === undefined) return;
      tx.invalidate({ kind: "tenant", tenant, id: tenant });
      await recorder.record(tx, {
        action: "tenant.deleted",
        outcome: "success",
        tenant: PLATFORM_TENANT,
        actor: DELETER,
        targets: [{ type: "tenant", id: tenant }],
        facts: { erasure },
      });
    });
    log.warn({ tenant, erasure }, "a tenant was deleted");
  }
}
