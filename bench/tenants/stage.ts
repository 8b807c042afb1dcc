import { sql } from "kysely";
import { wall } from "../../migrations/index.ts";
import { openSql, type PostgresDatabase, postgresDatabase } from "../../src/adapters/postgres/index.ts";
import { systemClock, type TenantId, tenantId } from "../../src/core/index.ts";
import { contextSigner } from "../../src/data/tenants/index.ts";
import type { Cluster } from "../tax/cluster.ts";
import { type LeanWire, leanWire } from "../tax/lean/database.ts";
import { createRingwallDatabase, targetOf } from "../tax/ringwall/database.ts";

export const TENANTS = 50;
export const ROWS_EACH = 400;
const CONNECTIONS = 10;

export interface Stage {
  readonly tenants: readonly TenantId[];
  /** Ours, as the login of a host application. */
  readonly ours: PostgresDatabase;
  /** The same pool and wire under the same login, which signs nothing and binds no tenant. */
  readonly bare: LeanWire;
  close(): Promise<void>;
}

/**
 * Three tables with the same rows, in one database and for one login: `item_bare` without row-level security, `item_naive`
 * with the policy that everybody writes, `item_walled` behind the wall.
 */
export async function openStage(cluster: Cluster): Promise<Stage> {
  const at = await createRingwallDatabase(cluster);
  const tenants = Array.from({ length: TENANTS }, (_, index) => tenantId(`tenant-${String(index)}`));
  const owner = openSql(targetOf(at.superuser));
  try {
    await sql`create schema shop`.execute(owner);
    await sql`grant usage on schema shop to bank_app`.execute(owner);
    for (const table of ["item_bare", "item_naive", "item_walled"]) {
      const name = sql.table(`shop.${table}`);
      await sql`
        create table ${name} (
          tenant_id text not null, id integer not null, title text not null, price bigint not null,
          created_at timestamptz not null default now(), primary key (tenant_id, id))`.execute(owner);
      await sql`
        insert into ${name} (tenant_id, id, title, price)
        select tenant, id, 'Item number ' || id, id * 100
          from unnest(${tenants}::text[]) as tenant, generate_series(1, ${ROWS_EACH}::integer) as id`.execute(owner);
      await sql`grant select on ${name} to bank_app`.execute(owner);
    }
    await sql`alter table shop.item_naive enable row level security`.execute(owner);
    await sql`
      create policy tenant on shop.item_naive using (tenant_id = current_setting('app.tenant_id'))`.execute(owner);
    await wall(owner, "shop.item_walled", { ringwall_client: ["select"] });
    await sql`vacuum analyze`.execute(owner);
  } finally {
    await owner.destroy();
  }
  const ours = postgresDatabase({
    target: targetOf(at.bank),
    signer: contextSigner(at.contextKey),
    clock: systemClock,
    connectionsMax: CONNECTIONS,
  });
  const bare = leanWire(at.bank, CONNECTIONS);
  return {
    tenants,
    ours,
    bare,
    async close() {
      await Promise.all([ours.close(), bare.close()]);
    },
  };
}
