import { type Kysely, sql } from "kysely";
import type { Migration } from "./migration.ts";
import { createRowKeyFunctions } from "./row-keys.ts";
import { definerFunction, grantAll, wall } from "./wall.ts";

/**
 * States of key versions, uses counted, rewrapping jobs, tables with sealed rows, and erasures.
 *
 * Who may do what: the application makes keys and counts their uses; the worker wraps keys and row keys anew, one tenant
 * at a time and behind that tenant's wall; nobody destroys a key but `tenant_shred`, which writes why in the same act.
 */
export const migration: Migration = {
  name: "0008_key_rotation",
  async up(db) {
    await states(db);
    await usage(db);
    await jobs(db);
    await erasures(db);
    await keyRules(db);
    await listings(db);
    await shredding(db);
    await createRowKeyFunctions(db);
    await auditDetails(db);
  },
};

async function states(db: Kysely<unknown>): Promise<void> {
  // Active versions open, and the newest of them seals; nothing refers to a retired one any more; of a destroyed one
  // the wrapped bytes are gone. wrapped_at: since when its present master key wraps it.
  await sql`
    alter table ringwall.tenant_key
      add column state text not null default 'active' check (state in ('active', 'retired', 'destroyed')),
      add column wrapped_at timestamptz not null default now(),
      alter column wrapped drop not null,
      add check ((state = 'destroyed') = (wrapped is null))`.execute(db);
  await grantAll(db, "tenant_key", { ringwall_worker: ["select"] });
  await sql`
    grant update (state, master_id, wrapped, wrapped_at) on ringwall.tenant_key to ringwall_worker`.execute(db);
  await sql`grant select, update (state, wrapped) on ringwall.tenant_key to ringwall_definer`.execute(db);
}

async function usage(db: Kysely<unknown>): Promise<void> {
  // Reserved in blocks: a process that dies leaves some of its block unused, never a use uncounted.
  await sql`
    create table ringwall.key_usage (
      tenant_id text    not null default ringwall.tenant() check (tenant_id <> ''),
      purpose   text    not null,
      version   integer not null,
      reserved  bigint  not null check (reserved > 0),
      primary key (tenant_id, purpose, version),
      foreign key (tenant_id, purpose, version) references ringwall.tenant_key (tenant_id, purpose, version)
    )`.execute(db);
  await wall(db, "key_usage", { ringwall_app: ["select", "insert", "update"], ringwall_worker: ["select"] });
  await sql`grant select on ringwall.key_usage to ringwall_definer`.execute(db);
}

async function jobs(db: Kysely<unknown>): Promise<void> {
  await sql`
    create table ringwall.key_job (
      tenant_id   text        not null default ringwall.tenant() check (tenant_id <> ''),
      job_id      uuid        not null,
      work        text        not null check (work in ('master', 'rows')),
      target      text        not null check (length(target) between 1 and 300),
      state       text        not null default 'running' check (state in ('running', 'waiting', 'done')),
      total       bigint      not null check (total >= 0),
      done        bigint      not null default 0,
      at_place    text        not null default '',
      at_row      text,
      started_at  timestamptz not null,
      updated_at  timestamptz not null,
      finished_at timestamptz check ((finished_at is null) = (state <> 'done')),
      primary key (tenant_id, job_id)
    )`.execute(db);
  await sql`create unique index key_job_open on ringwall.key_job (tenant_id, work) where state <> 'done'`.execute(db);
  await wall(db, "key_job", { ringwall_worker: ["select", "insert"] });
  await sql`
    grant update (target, state, total, done, at_place, at_row, updated_at, finished_at)
      on ringwall.key_job to ringwall_worker`.execute(db);
  await sql`grant select on ringwall.key_job to ringwall_definer`.execute(db);

  // global table key_scheduler: one row for the installation, reached through a definer function only.
  await sql`
    create table ringwall.key_scheduler (
      place       boolean     primary key default true check (place),
      holder      uuid,
      lease_until timestamptz not null default '-infinity'
    )`.execute(db);
  await sql`insert into ringwall.key_scheduler default values`.execute(db);
  await sql`alter table ringwall.key_scheduler enable row level security`.execute(db);
  await sql`alter table ringwall.key_scheduler force row level security`.execute(db);
  await sql`grant select, update on ringwall.key_scheduler to ringwall_definer`.execute(db);
  await sql`
    create function ringwall.key_scheduler_claim(p_holder uuid, p_lease_ms integer) returns boolean
    language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
    declare place ringwall.key_scheduler;
    begin
      select * into place from ringwall.key_scheduler for update skip locked;
      if not found then return false; end if;
      if place.lease_until > clock_timestamp() and place.holder is distinct from p_holder then return false; end if;
      update ringwall.key_scheduler
         set holder = p_holder, lease_until = clock_timestamp() + p_lease_ms * interval '1 millisecond';
      return true;
    end $$`.execute(db);
  await definerFunction(db, "key_scheduler_claim(uuid, integer)", ["ringwall_worker"]);
}

async function erasures(db: Kysely<unknown>): Promise<void> {
  // The order is signed outside the database, and so is the certificate of what came of it.
  await sql`
    create table ringwall.erasure (
      tenant_id   text        not null default ringwall.tenant() check (tenant_id <> ''),
      erasure_id  uuid        not null,
      subject     text        not null check (subject in ('tenant', 'row', 'person')),
      ordered     text        not null check (octet_length(ordered) between 2 and 4096),
      certificate text        check (octet_length(certificate) between 2 and 262144),
      erased_at   timestamptz not null default now(),
      primary key (tenant_id, erasure_id)
    )`.execute(db);
  await sql`create unique index erasure_tenant on ringwall.erasure (tenant_id) where subject = 'tenant'`.execute(db);
  await wall(db, "erasure", { ringwall_app: ["select"], ringwall_worker: ["select", "insert"] });
  await sql`grant update (certificate) on ringwall.erasure to ringwall_worker`.execute(db);
  await sql`grant select, insert on ringwall.erasure to ringwall_definer`.execute(db);
  // What the worker does is recorded in the same transaction, as the application's acts are.
  await sql`
    create policy ringwall_worker on ringwall.audit_outbox for insert to ringwall_worker with check (true)`.execute(db);
  await sql`
    grant insert (event_id, occurred_at, leaf, detail) on ringwall.audit_outbox to ringwall_worker`.execute(db);
}

const SHRED_LOCK = 7_400_008;

/** Held by triggers, so that neither a bug nor a stolen role makes, loses or revives a key in another way. */
async function keyRules(db: Kysely<unknown>): Promise<void> {
  // An erased tenant gets no new keys, apart from the one that seals what is recorded about it from then on. The lock
  // is the shredder's: a key that is being made at that moment is there before, or is refused after.
  await sql`
    create function ringwall.key_birth() returns trigger
    language plpgsql set search_path = pg_catalog, pg_temp as $$
    begin
      perform pg_advisory_xact_lock_shared(${sql.lit(SHRED_LOCK)}, hashtext(new.tenant_id));
      if new.purpose <> 'audit' and exists (
        select from ringwall.erasure e where e.tenant_id = new.tenant_id and e.subject = 'tenant')
      then raise exception 'the tenant was erased' using errcode = 'RW002'; end if;
      return new;
    end $$`.execute(db);
  await sql`revoke all on function ringwall.key_birth() from public`.execute(db);
  await sql`
    create trigger key_birth before insert on ringwall.tenant_key
      for each row execute function ringwall.key_birth()`.execute(db);
  await sql`
    create function ringwall.key_change() returns trigger
    language plpgsql set search_path = pg_catalog, pg_temp as $$
    begin
      if (new.tenant_id, new.purpose, new.version, new.commitment, new.created_at)
         is distinct from (old.tenant_id, old.purpose, old.version, old.commitment, old.created_at)
      then raise exception 'a key version keeps its place' using errcode = 'insufficient_privilege'; end if;
      if old.state = 'destroyed'
      then raise exception 'a destroyed key stays destroyed' using errcode = 'insufficient_privilege'; end if;
      if new.state = 'destroyed' and not exists (
        select from ringwall.erasure e where e.tenant_id = new.tenant_id and e.subject = 'tenant')
      then raise exception 'a key is destroyed by an erasure alone' using errcode = 'insufficient_privilege'; end if;
      if new.state <> 'destroyed' and new.wrapped is distinct from old.wrapped and new.master_id = old.master_id
      then raise exception 'a wrapped key changes with its master alone' using errcode = 'insufficient_privilege'; end if;
      return new;
    end $$`.execute(db);
  await sql`revoke all on function ringwall.key_change() from public`.execute(db);
  await sql`
    create trigger key_change before update on ringwall.tenant_key
      for each row execute function ringwall.key_change()`.execute(db);
}

/** What spans tenants: names, ages and progress. Wrapped keys are shown by the master's listing alone. */
async function listings(db: Kysely<unknown>): Promise<void> {
  await sql`
    create function ringwall.key_listing(p_after text, p_tenants integer)
    returns table (tenant_id text, purpose text, version integer, state text, master_id text, made_ms text,
                   wrapped_ms text, reserved text)
    language sql stable security definer set search_path = pg_catalog, pg_temp as $$
      with tenants as (
        select distinct k.tenant_id from ringwall.tenant_key k where k.tenant_id > p_after
         order by k.tenant_id limit least(p_tenants, 200))
      select k.tenant_id, k.purpose, k.version, k.state, k.master_id,
             (extract(epoch from k.created_at) * 1000)::bigint::text,
             (extract(epoch from k.wrapped_at) * 1000)::bigint::text, coalesce(u.reserved, 0)::text
        from tenants t join ringwall.tenant_key k using (tenant_id)
        left join ringwall.key_usage u using (tenant_id, purpose, version)
       order by k.tenant_id, k.purpose, k.version desc
    $$`.execute(db);
  await sql`
    create function ringwall.keys_elsewhere(p_master text, p_tenant text, p_purpose text, p_version integer, p_limit integer)
    returns table (tenant_id text, purpose text, version integer, master_id text, wrapped bytea, commitment bytea)
    language sql stable security definer set search_path = pg_catalog, pg_temp as $$
      select k.tenant_id, k.purpose, k.version, k.master_id, k.wrapped, k.commitment from ringwall.tenant_key k
       where k.master_id <> p_master and k.wrapped is not null
         and (k.tenant_id, k.purpose, k.version) > (p_tenant, p_purpose, p_version)
       order by k.tenant_id, k.purpose, k.version limit least(p_limit, 1000)
    $$`.execute(db);
  await sql`
    create function ringwall.keys_elsewhere_count(p_master text) returns bigint
    language sql stable security definer set search_path = pg_catalog, pg_temp as $$
      select count(*) from ringwall.tenant_key k where k.master_id <> p_master and k.wrapped is not null
    $$`.execute(db);
  await sql`
    create function ringwall.key_jobs(p_open boolean)
    returns table (tenant_id text, job_id uuid)
    language sql stable security definer set search_path = pg_catalog, pg_temp as $$
      select j.tenant_id, j.job_id from ringwall.key_job j where not p_open or j.state <> 'done'
       order by (j.state <> 'done') desc, j.started_at desc limit 50
    $$`.execute(db);
  await sql`
    create function ringwall.erasure_listing(p_tenant text, p_erasure uuid)
    returns table (tenant_id text, erasure_id uuid, ordered text, certificate text)
    language sql stable security definer set search_path = pg_catalog, pg_temp as $$
      select e.tenant_id, e.erasure_id, e.ordered, e.certificate from ringwall.erasure e
       where (e.tenant_id, e.erasure_id) > (p_tenant, p_erasure) order by e.tenant_id, e.erasure_id limit 200
    $$`.execute(db);
  for (const signature of [
    "key_listing(text, integer)",
    "keys_elsewhere(text, text, text, integer, integer)",
    "keys_elsewhere_count(text)",
    "key_jobs(boolean)",
    "erasure_listing(text, uuid)",
  ]) {
    await definerFunction(db, signature, ["ringwall_worker"]);
  }
}

async function shredding(db: Kysely<unknown>): Promise<void> {
  await sql`grant update (status) on ringwall.tenant to ringwall_definer`.execute(db);
  // Of the tenant whose context the worker carries. Doing it again destroys what a restored database brought back.
  // Versions of the audit key made after the order seal what was recorded about the erased tenant; they stay.
  await sql`
    create function ringwall.tenant_shred(p_erasure uuid, p_ordered text, p_audit_version integer)
    returns table (purpose text, version integer, commitment bytea)
    language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
    declare
      mine text := ringwall.tenant();
    begin
      if mine is null or mine = 'platform' then
        raise exception 'the platform is not erased' using errcode = 'insufficient_privilege';
      end if;
      perform pg_advisory_xact_lock(${sql.lit(SHRED_LOCK)}, hashtext(mine));
      insert into ringwall.erasure (tenant_id, erasure_id, subject, ordered) values (mine, p_erasure, 'tenant', p_ordered)
        on conflict do nothing;
      update ringwall.tenant t set status = 'suspended' where t.tenant_id = mine;
      return query
        update ringwall.tenant_key k set state = 'destroyed', wrapped = null
         where k.tenant_id = mine and k.state <> 'destroyed' and (k.purpose <> 'audit' or k.version <= p_audit_version)
        returning k.purpose, k.version, k.commitment;
    end $$`.execute(db);
  await definerFunction(db, "tenant_shred(uuid, text, integer)", ["ringwall_worker"]);
}

/** The one change that what is chained allows: a sealed detail makes place for one byte that opens to nothing. */
async function auditDetails(db: Kysely<unknown>): Promise<void> {
  await sql`drop trigger append_only on ringwall.audit_entry`.execute(db);
  await sql`
    create trigger append_only before delete or truncate on ringwall.audit_entry
      for each statement execute function ringwall.audit_append_only()`.execute(db);
  await sql`
    create function ringwall.audit_details_erased() returns trigger
    language plpgsql set search_path = pg_catalog, pg_temp as $$
    begin
      if new.detail is distinct from '\\x00'::bytea or old.detail is null
         or (new.tenant_id, new.position, new.event_id, new.occurred_at, new.action, new.leaf, new.hash)
            is distinct from
            (old.tenant_id, old.position, old.event_id, old.occurred_at, old.action, old.leaf, old.hash)
      then raise exception 'audit is append-only' using errcode = 'insufficient_privilege'; end if;
      return new;
    end $$`.execute(db);
  await sql`revoke all on function ringwall.audit_details_erased() from public`.execute(db);
  await sql`
    create trigger details_erased before update on ringwall.audit_entry
      for each row execute function ringwall.audit_details_erased()`.execute(db);
  await sql`grant update (detail) on ringwall.audit_entry, ringwall.audit_outbox to ringwall_definer`.execute(db);
  await sql`
    create function ringwall.audit_erase_person(p_user text) returns bigint
    language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
    declare
      waiting bigint;
      chained bigint;
    begin
      update ringwall.audit_outbox o set detail = '\\x00'
       where o.tenant_id = ringwall.tenant() and o.detail is not null and o.detail <> '\\x00'
         and o.leaf::jsonb #>> '{actor,user}' = p_user;
      get diagnostics waiting = row_count;
      update ringwall.audit_entry e set detail = '\\x00'
       where e.tenant_id = ringwall.tenant() and e.detail is not null and e.detail <> '\\x00'
         and e.leaf::jsonb #>> '{actor,user}' = p_user;
      get diagnostics chained = row_count;
      return waiting + chained;
    end $$`.execute(db);
  await definerFunction(db, "audit_erase_person(text)", ["ringwall_worker"]);
}
