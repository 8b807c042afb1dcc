import { type Kysely, sql } from "kysely";
import { createTenantTables } from "./lifecycle/tenant-tables.ts";
import type { Migration } from "./migration.ts";
import { definerFunction, wall } from "./wall.ts";

/** Environments, settings, and the end of a tenant: planned, under way, done. */
export const migration: Migration = {
  name: "0010_tenant_lifecycle",
  async up(db) {
    await register(db);
    await lookup(db);
    await shredding(db);
    await settings(db);
    await createTenantTables(db);
  },
};

async function register(db: Kysely<unknown>): Promise<void> {
  // An environment beside production is a tenant of its own, and names the production tenant it was made for.
  // `deleting`: its end has begun. `deleted`: the row stays as a stone over the id, so that nobody gets it again.
  await sql`
    alter table ringwall.tenant
      add column environment     text not null default 'production'
                                 check (environment in ('development', 'staging', 'production')),
      add column account         text references ringwall.tenant (tenant_id),
      add column deletion_at     timestamptz,
      add column deletion_by     text check (length(deletion_by) between 1 and 200),
      add column deletion_reason text check (length(deletion_reason) between 1 and 500),
      add column deleted_at      timestamptz,
      add check ((environment = 'production') = (account is null)),
      add check ((deletion_at is null) = (deletion_by is null) and (deletion_at is null) = (deletion_reason is null)),
      add check (status <> 'deleting' or deletion_at is not null),
      add check ((status = 'deleted') = (deleted_at is not null)),
      add check (tenant_id <> 'platform' or (status = 'active' and environment = 'production' and deletion_at is null)),
      drop constraint tenant_status_check,
      add constraint tenant_status_check check (status in ('active', 'suspended', 'deleting', 'deleted'))`.execute(db);
  await sql`create index tenant_account on ringwall.tenant (account) where account is not null`.execute(db);
  await sql`create index tenant_deletion on ringwall.tenant (deletion_at) where deletion_at is not null`.execute(db);
  await sql`
    grant update (deletion_at, deletion_by, deletion_reason, deleted_at) on ringwall.tenant to ringwall_app`.execute(
    db,
  );

  // Held by a trigger, so that neither a bug nor a stolen role moves a tenant from test to live data, or brings one back.
  await sql`
    create function ringwall.tenant_change() returns trigger
    language plpgsql set search_path = pg_catalog, pg_temp as $$
    begin
      if (new.tenant_id, new.environment, new.account, new.created_at)
         is distinct from (old.tenant_id, old.environment, old.account, old.created_at)
      then raise exception 'a tenant keeps its id, environment and account' using errcode = 'insufficient_privilege'; end if;
      if old.status = 'deleted' or (old.status = 'deleting' and new.status not in ('deleting', 'deleted'))
      then raise exception 'a deletion that has begun is not undone' using errcode = 'insufficient_privilege'; end if;
      return new;
    end $$`.execute(db);
  await sql`revoke all on function ringwall.tenant_change() from public`.execute(db);
  await sql`
    create trigger tenant_change before update on ringwall.tenant
      for each row execute function ringwall.tenant_change()`.execute(db);
}

async function lookup(db: Kysely<unknown>): Promise<void> {
  await sql`drop function ringwall.tenant_by_id(text)`.execute(db);
  await sql`
    create function ringwall.tenant_by_id(wanted text)
      returns table (tenant_id text, name text, status text, environment text, account text)
      language sql stable security definer
      begin atomic
        select t.tenant_id, t.name, t.status, t.environment, t.account from ringwall.tenant t where t.tenant_id = wanted;
      end`.execute(db);
  await definerFunction(db, "tenant_by_id(text)", ["ringwall_app"]);
}

/** As before, but a tenant whose end has begun is not put back among the suspended ones. */
async function shredding(db: Kysely<unknown>): Promise<void> {
  await sql`
    create or replace function ringwall.tenant_shred(p_erasure uuid, p_ordered text, p_audit_version integer)
    returns table (purpose text, version integer, commitment bytea)
    language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
    declare
      mine text := ringwall.tenant();
    begin
      if mine is null or mine = 'platform' then
        raise exception 'the platform is not erased' using errcode = 'insufficient_privilege';
      end if;
      perform pg_advisory_xact_lock(7400008, hashtext(mine));
      insert into ringwall.erasure (tenant_id, erasure_id, subject, ordered) values (mine, p_erasure, 'tenant', p_ordered)
        on conflict do nothing;
      update ringwall.tenant t set status = 'suspended' where t.tenant_id = mine and t.status = 'active';
      return query
        update ringwall.tenant_key k set state = 'destroyed', wrapped = null
         where k.tenant_id = mine and k.state <> 'destroyed' and (k.purpose <> 'audit' or k.version <= p_audit_version)
        returning k.purpose, k.version, k.commitment;
    end $$`.execute(db);
}

async function settings(db: Kysely<unknown>): Promise<void> {
  await sql`
    create table ringwall.tenant_settings (
      tenant_id  text        not null default ringwall.tenant() primary key references ringwall.tenant (tenant_id),
      version    integer     not null check (version > 0),
      settings   jsonb       not null check (jsonb_typeof(settings) = 'object' and length(settings::text) <= 32768),
      changed_at timestamptz not null
    )`.execute(db);
  await wall(db, "tenant_settings", { ringwall_app: ["select", "insert"] });
  await sql`grant update (version, settings, changed_at) on ringwall.tenant_settings to ringwall_app`.execute(db);
}
