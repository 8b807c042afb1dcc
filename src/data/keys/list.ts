import { type Actor, type Database, statement, type TenantId } from "../../core/index.ts";

/** One version of a tenant's key, by what it is for. Nothing that helps to open anything. */
export interface KeySummary {
  readonly purpose: string;
  readonly version: number;
  readonly createdMs: number;
}

// 12 purposes of 64 versions at most, so a tenant's whole tree is one page.
const LIST = statement<{ purpose: string; version: number; created_ms: number }>(
  "keys.list",
  `select purpose, version, round(extract(epoch from created_at) * 1000)::float8 as created_ms
     from ringwall.tenant_key
    order by purpose, version desc
    limit 768`,
);

/** A tenant's keys under its own wall: purposes, versions and ages, newest version first within a purpose. */
export async function listKeys(database: Database, tenant: TenantId, actor: Actor): Promise<readonly KeySummary[]> {
  const rows = await database.once(tenant, actor, LIST, []);
  return rows.map(({ purpose, version, created_ms }) => ({ purpose, version, createdMs: created_ms }));
}
