import { type Kysely, sql } from "kysely";
import { createTenantFunction } from "./context.ts";
import type { Migration } from "./migration.ts";
import { definerFunction, grantAll } from "./wall.ts";

/** The tenant context that the database verifies by itself, and the register of tenants. */
export const migration: Migration = {
  name: "0001_tenants",
  async up(db) {
    await sql`
      grant usage on schema ringwall to ringwall_definer, ringwall_app, ringwall_worker, ringwall_client`.execute(db);
    await createTenantReference(db);
    await createContext(db);
    await createRegister(db);
  },
};

/**
 * The type of `tenant_id` in tables that are written with every act. A table's CHECK is parsed and planned anew by each
 * statement that writes the table, whichever columns it writes; a domain's once per connection. Measured, the checks of
 * the five tables of a transfer cost more than their row-level security: 120 us of 700.
 */
async function createTenantReference(db: Kysely<unknown>): Promise<void> {
  await sql`create domain ringwall.tenant_ref as text check (value <> '')`.execute(db);
}

async function createContext(db: Kysely<unknown>): Promise<void> {
  // No policy and no grant to any login but the owner's. `inner_pad` and `outer_pad` are the two key blocks of HMAC
  // (RFC 2104), so that the database needs no loop to verify.
  // global table context_key: it holds the keys that verify every tenant's context; no login but the owner's reads it.
  await sql`
    create table ringwall.context_key (
      kid        text        not null primary key check (kid ~ '^[a-z0-9]{1,16}$'),
      inner_pad  bytea       not null check (length(inner_pad) = 64),
      outer_pad  bytea       not null check (length(outer_pad) = 64),
      created_at timestamptz not null default now()
    )`.execute(db);
  await sql`grant select on ringwall.context_key to ringwall_definer`.execute(db);

  // A function, because an expression cannot raise. Tells the caller nothing about what was wrong.
  await sql`
    create function ringwall.refuse_context() returns text
      language plpgsql volatile parallel safe
      as 'begin raise exception using errcode = ''RW001'', message = ''the tenant context is not valid''; end'`.execute(
    db,
  );
  await definerFunction(db, "refuse_context()", []);
  await createTenantFunction(db);
}

async function createRegister(db: Kysely<unknown>): Promise<void> {
  await sql`
    create table ringwall.tenant (
      tenant_id  text        not null primary key check (tenant_id ~ '^[a-z0-9_-]{3,50}$'),
      name       text        not null check (length(name) between 1 and 200),
      status     text        not null default 'active' check (status in ('active', 'suspended')),
      created_at timestamptz not null default now()
    )`.execute(db);
  await sql`alter table ringwall.tenant enable row level security`.execute(db);
  await sql`alter table ringwall.tenant force row level security`.execute(db);
  // The one table with a wider wall: the platform's operators keep the register, so its tenant sees and writes every
  // row of it. The rows hold a name and a status, no tenant's data.
  await sql`
    create policy tenant_wall on ringwall.tenant as restrictive for all
      using ((select ringwall.tenant()) in (tenant_id, 'platform'))
      with check ((select ringwall.tenant()) = 'platform')`.execute(db);
  await grantAll(db, "tenant", { ringwall_app: ["select", "insert"] });
  await sql`grant update (name, status) on ringwall.tenant to ringwall_app`.execute(db);

  // Before a principal is known: does this tenant exist, and may it be used? One row, nothing to list.
  await sql`
    create function ringwall.tenant_by_id(wanted text)
      returns table (tenant_id text, name text, status text)
      language sql stable security definer
      as 'select t.tenant_id, t.name, t.status from ringwall.tenant t
          where t.tenant_id operator(pg_catalog.=) wanted'`.execute(db);
  await sql`grant select on ringwall.tenant to ringwall_definer`.execute(db);
  await definerFunction(db, "tenant_by_id(text)", ["ringwall_app"]);
}
