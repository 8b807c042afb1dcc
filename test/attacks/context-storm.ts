import { setTimeout as delay } from "node:timers/promises";
import { installContextKey } from "../../migrations/index.ts";
import { openSql, postgresDatabase } from "../../src/adapters/postgres/index.ts";
import { RingwallError, randomBytes, statement, systemClock, type TenantId } from "../../src/core/index.ts";
import { contextSigner, replaceableSigner } from "../../src/data/tenants/index.ts";
import type { TestDatabase } from "../../src/testing/index.ts";
import { as } from "./context-stage.ts";

/** What a storm came to. A foreign row is one of another tenant than the one whose transaction read it. */
export interface Storm {
  readonly transactions: number;
  readonly rows: number;
  readonly foreign: number;
  /** Failed as was planned (an error of the work's own, a cancelled query, an ended session), by what it was. */
  readonly failed: Readonly<Record<string, number>>;
  /** Anything else: its messages. */
  readonly unexpected: readonly string[];
  readonly rotations: number;
  readonly killed: number;
}

export interface StormOptions {
  readonly data: TestDatabase;
  readonly tenants: readonly TenantId[];
  readonly transactions: number;
  /** How often faults come: every so many milliseconds a session is ended or a query cancelled, and at times the key rotated. */
  readonly faultMs: number;
}

interface Row {
  readonly tenant_id: string;
  readonly id: number;
}

const PAGE = statement<Row>("storm.page", "select tenant_id, id, text from host.note order by id limit 20");
const POINT = statement<Row>("storm.point", "select tenant_id, id from host.note where id = $1");
const ALL = statement<Row>("storm.all", "select tenant_id, max(id) as id from host.note group by tenant_id");
const ADD = statement<Row>("storm.add", "insert into host.note (text) values ($1) returning tenant_id, id");
const TOUCH = statement<Row>(
  "storm.touch",
  "update host.note set seen = seen + 1 where id = $1 returning tenant_id, id",
);
const FAIL = statement("storm.fail", "select 1 / (count(*) - count(*)) from host.note");
const SLOW = statement<Row>("storm.slow", "select tenant_id, id from host.note, pg_sleep(0.02)");
const SAVE = statement("storm.save", "savepoint here");
const BACK = statement("storm.back", "rollback to savepoint here");
const EMPTY = statement("storm.empty", "select where pg_catalog.set_config('ringwall.context', '', true) is null");
const HOLD = statement("storm.hold", "declare kept cursor with hold for select * from host.note");
const STAY = statement(
  "storm.stay",
  "select set_config('ringwall.context', current_setting('ringwall.context'), false)",
);

class Planned extends Error {}

const WORKERS = 24;

/** Interleaved transactions of many tenants over one pool, while sessions are ended, queries cancelled and keys replaced. */
export async function storm({ data, faultMs, tenants, transactions }: StormOptions): Promise<Storm> {
  const signer = replaceableSigner(contextSigner(data.contextKey));
  const pool = postgresDatabase({ target: data.target("bank_app"), signer, clock: systemClock, connectionsMax: 8 });
  const count = { transactions: 0, rows: 0, foreign: 0, rotations: 0, killed: 0 };
  const failed: Record<string, number> = {};
  const unexpected: string[] = [];

  const check = (tenant: TenantId, rows: readonly Row[]): void => {
    count.rows += rows.length;
    for (const row of rows) if (row.tenant_id !== tenant) count.foreign += 1;
  };
  const one = async (tenant: TenantId, kind: number): Promise<void> => {
    const actor = as(tenant);
    if (kind < 8) {
      check(tenant, await pool.once(tenant, actor, kind % 2 === 0 ? POINT : PAGE, kind % 2 === 0 ? [kind + 1] : []));
      return;
    }
    await pool.forTenant(tenant, actor, async (tx) => {
      check(tenant, await tx.run(kind % 2 === 0 ? PAGE : ALL));
      if (kind === 9) check(tenant, await tx.run(ADD, ["storm"]));
      if (kind === 10) throw new Planned();
      if (kind === 11) await tx.run(FAIL);
      if (kind === 12) check(tenant, await tx.run(SLOW));
      if (kind === 13) {
        await tx.run(SAVE);
        await tx.run(EMPTY);
        check(tenant, await tx.run(PAGE));
        await tx.run(BACK);
        check(tenant, await tx.run(ALL));
      }
      if (kind === 14) await tx.run(randomBytes(1).readUInt8() % 2 === 0 ? HOLD : STAY);
      if (kind === 15) check(tenant, (await Promise.all([tx.run(TOUCH, [1]), tx.run(PAGE)])).flat());
    });
  };
  const worker = async (): Promise<void> => {
    while (count.transactions < transactions) {
      count.transactions += 1;
      const random = randomBytes(2);
      const tenant = tenants[random.readUInt8(0) % tenants.length];
      if (tenant === undefined) return;
      // The rare kinds cost a connection or a pause; one in sixteen of one in four.
      const kind = random.readUInt8(1) % 64;
      await one(tenant, kind < 16 ? kind : kind % 10).catch((error: unknown) => {
        const name = nameOf(error);
        if (EXPECTED.has(name)) failed[name] = (failed[name] ?? 0) + 1;
        else unexpected.push(`${name} ${String(error)}`);
      });
    }
  };
  const owner = openSql(data.target("ringwall_migrate"));
  const faults = async (): Promise<void> => {
    for (let round = 0; count.transactions < transactions; round += 1) {
      await delay(faultMs);
      const act = round % 3 === 0 ? "pg_terminate_backend" : "pg_cancel_backend";
      const rows = await data.owner.query(
        `select ${act}(pid) from pg_stat_activity where usename = 'bank_app' and datname = current_database()
           and pid <> pg_backend_pid() order by random() limit 1`,
      );
      count.killed += rows.length;
      if (round % 8 === 7) {
        const key = { kid: `s${String(round)}x${randomBytes(2).toString("hex")}`, key: randomBytes(32) };
        await installContextKey(owner, key);
        // As a process that looks at its file each second does: some time after the database knows it.
        await delay(30);
        signer.replace(contextSigner(key));
        count.rotations += 1;
      }
    }
  };
  await Promise.all([...Array.from({ length: WORKERS }, worker), faults()]);
  await owner.destroy();
  await pool.close();
  return { ...count, failed, unexpected };
}

/** A planned failure, a division by zero, and what ending a session or a query looks like. */
const EXPECTED = new Set(["planned", "request.invalid", "database.unavailable"]);

function nameOf(error: unknown): string {
  if (error instanceof Planned) return "planned";
  return error instanceof RingwallError ? error.code : "other";
}
