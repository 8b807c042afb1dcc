import { type Kysely, sql } from "kysely";
import type { Migration } from "./migration.ts";
import { definerFunction, wall } from "./wall.ts";

/**
 * Audit: an outbox that every act writes into with its own transaction, and one hash chain per tenant that the
 * sequencer moves outbox rows into. Forward-only: a released migration is never edited.
 *
 * Who may do what: the application and the library's clients insert into the outbox and read nothing there; the
 * application reads its tenant's chain under the wall; the worker reaches rows through the functions below alone.
 * Nobody but the tables' owner can change or remove what is chained, and the signed heads show it when the owner does.
 */
export const migration: Migration = {
  name: "0005_audit",
  async up(db) {
    await outbox(db);
    await tables(db);
    await walls(db);
    await appendOnly(db);
    await sequencing(db);
    await peeking(db);
    await moving(db);
    await settling(db);
    await reading(db);
    await functionRights(db);
  },
};

async function outbox(db: Kysely<unknown>): Promise<void> {
  // No index but the key: this table is written by every act and emptied all the time. Its checks are domains, since a
  // domain's is prepared once per connection and a table's by every insert.
  await sql`
    create domain ringwall.audit_time as timestamptz check (value between '2000-01-01' and '3000-01-01')`.execute(db);
  await sql`create domain ringwall.audit_leaf as text check (octet_length(value) between 2 and 65535)`.execute(db);
  await sql`create domain ringwall.audit_detail as bytea check (octet_length(value) between 1 and 65535)`.execute(db);
  await sql`
    create table ringwall.audit_outbox (
      tenant_id   ringwall.tenant_ref   not null default ringwall.tenant(),
      event_id    uuid                  not null,
      occurred_at ringwall.audit_time   not null,
      leaf        ringwall.audit_leaf   not null,
      detail      ringwall.audit_detail,
      primary key (tenant_id, event_id)
    ) with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000)`.execute(db);
}

async function tables(db: Kysely<unknown>): Promise<void> {
  // event_id, occurred_at and action repeat what the leaf says, for finding rows; the verifier holds them against it.
  await sql`
    create table ringwall.audit_entry (
      tenant_id   text        not null default ringwall.tenant() check (tenant_id <> ''),
      position    bigint      not null check (position > 0),
      event_id    uuid        not null,
      occurred_at timestamptz not null,
      action      text        not null,
      leaf        text        not null,
      hash        bytea       not null check (octet_length(hash) = 32),
      detail      bytea,
      primary key (tenant_id, position),
      unique (tenant_id, event_id)
    )`.execute(db);
  await sql`create index audit_entry_action on ringwall.audit_entry (tenant_id, action, position)`.execute(db);

  await sql`
    create table ringwall.audit_head (
      tenant_id text   not null default ringwall.tenant() check (tenant_id <> ''),
      size      bigint not null check (size > 0),
      hash      bytea  not null check (octet_length(hash) = 32),
      primary key (tenant_id)
    )`.execute(db);

  await sql`
    create table ringwall.audit_head_signed (
      tenant_id text   not null default ringwall.tenant() check (tenant_id <> ''),
      size      bigint not null check (size > 0),
      signed    text   not null check (octet_length(signed) <= 1024),
      primary key (tenant_id, size)
    )`.execute(db);

  // Rows that a client put into the outbox and that are no audit record: kept as evidence, outside the chain.
  await sql`
    create table ringwall.audit_refused (
      tenant_id   text        not null default ringwall.tenant() check (tenant_id <> ''),
      id          bigint      generated always as identity,
      event_id    uuid        not null,
      occurred_at timestamptz not null,
      leaf        text        not null,
      detail      bytea,
      reason      text        not null,
      refused_at  timestamptz not null default now(),
      primary key (tenant_id, id)
    )`.execute(db);

  // global table audit_sequencer: one row for the installation, reached through definer functions only.
  // One row: which sequencer may append. The epoch fences off one that was paused and believes it still may.
  await sql`
    create table ringwall.audit_sequencer (
      place       boolean     primary key default true check (place),
      epoch       bigint      not null,
      holder      uuid,
      lease_until timestamptz not null
    )`.execute(db);
  await sql`insert into ringwall.audit_sequencer (epoch, lease_until) values (0, '-infinity')`.execute(db);
}

async function walls(db: Kysely<unknown>): Promise<void> {
  await wall(db, "audit_outbox", {});
  await wall(db, "audit_refused", {});
  await wall(db, "audit_entry", { ringwall_app: ["select"] });
  await wall(db, "audit_head", { ringwall_app: ["select"] });
  await wall(db, "audit_head_signed", { ringwall_app: ["select"] });
  // No policy at all: only the definer's functions reach it.
  await sql`alter table ringwall.audit_sequencer enable row level security`.execute(db);
  await sql`alter table ringwall.audit_sequencer force row level security`.execute(db);

  // By column, so that a tenant cannot even be named; nothing may be read back.
  for (const role of ["ringwall_app", "ringwall_client"]) {
    await sql`
      create policy ${sql.id(role)} on ringwall.audit_outbox for insert to ${sql.id(role)} with check (true)`.execute(
      db,
    );
    await sql`
      grant insert (event_id, occurred_at, leaf, detail) on ringwall.audit_outbox to ${sql.id(role)}`.execute(db);
  }

  // What the functions below need, and no more: nothing that is chained can be changed through them.
  await sql`grant select, delete on ringwall.audit_outbox to ringwall_definer`.execute(db);
  await sql`grant select, insert on ringwall.audit_entry, ringwall.audit_head_signed to ringwall_definer`.execute(db);
  await sql`grant insert on ringwall.audit_refused to ringwall_definer`.execute(db);
  await sql`grant select, insert, update on ringwall.audit_head to ringwall_definer`.execute(db);
  await sql`grant select, update on ringwall.audit_sequencer to ringwall_definer`.execute(db);
}

async function appendOnly(db: Kysely<unknown>): Promise<void> {
  // Against accidents and a definer function gone wrong; the owner can switch it off, which is what signatures are for.
  await sql`
    create function ringwall.audit_append_only() returns trigger language plpgsql set search_path = pg_catalog, pg_temp
    as $$ begin raise exception 'audit is append-only' using errcode = 'insufficient_privilege'; end $$`.execute(db);
  await sql`revoke all on function ringwall.audit_append_only() from public`.execute(db);
  await sql`
    create trigger append_only before update or delete or truncate on ringwall.audit_entry
      for each statement execute function ringwall.audit_append_only()`.execute(db);
  await sql`
    create trigger append_only before update or delete or truncate on ringwall.audit_head_signed
      for each statement execute function ringwall.audit_append_only()`.execute(db);
}

async function sequencing(db: Kysely<unknown>): Promise<void> {
  // The epoch when the place is free or already this holder's, else NULL. Never waits for a sequencer at work.
  await sql`
    create function ringwall.audit_claim(p_holder uuid, p_lease_ms integer) returns bigint
    language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
    declare place ringwall.audit_sequencer;
    begin
      select * into place from ringwall.audit_sequencer for update skip locked;
      if not found then return null; end if;
      if place.lease_until > clock_timestamp() and place.holder is distinct from p_holder then return null; end if;
      update ringwall.audit_sequencer
         set epoch = place.epoch + 1, holder = p_holder,
             lease_until = clock_timestamp() + p_lease_ms * interval '1 millisecond';
      return place.epoch + 1;
    end $$`.execute(db);

  // Also locks the place until the end of the transaction: from here on nobody else can claim it.
  await sql`
    create function ringwall.audit_renew(p_epoch bigint, p_lease_ms integer) returns boolean
    language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
    begin
      update ringwall.audit_sequencer
         set lease_until = clock_timestamp() + p_lease_ms * interval '1 millisecond'
       where epoch = p_epoch;
      return found;
    end $$`.execute(db);

  await sql`
    create function ringwall.audit_release(p_epoch bigint) returns boolean
    language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
    begin
      update ringwall.audit_sequencer set lease_until = '-infinity' where epoch = p_epoch;
      return found;
    end $$`.execute(db);
}

async function peeking(db: Kysely<unknown>): Promise<void> {
  // Asked all the time while nothing happens, so it writes nothing.
  await sql`
    create function ringwall.audit_peek(p_epoch bigint) returns table (mine boolean, waiting boolean)
    language sql stable security definer set search_path = pg_catalog, pg_temp as $$
      select exists (select from ringwall.audit_sequencer where epoch = p_epoch),
             exists (select from ringwall.audit_outbox)
    $$`.execute(db);
}

async function moving(db: Kysely<unknown>): Promise<void> {
  // Whatever is visible, in the order it lies there. Never "id greater than the last one": a slower transaction commits
  // a smaller id later. Nobody else deletes, so no row lock is needed beside the place's.
  await sql`
    create function ringwall.audit_take(p_epoch bigint, p_limit integer)
    returns table (tenant_id text, event_id text, occurred_ms text, leaf text, head_size text, head_hash bytea, known text)
    language sql volatile security definer set search_path = pg_catalog, pg_temp as $$
      select o.tenant_id, o.event_id::text, (extract(epoch from o.occurred_at) * 1000)::bigint::text, o.leaf,
             coalesce(h.size, 0)::text, h.hash,
             case when e.event_id is null then 'no' when e.leaf = o.leaf then 'same' else 'other' end
        from (select * from ringwall.audit_outbox
               where exists (select from ringwall.audit_sequencer s where s.epoch = p_epoch)
               limit least(p_limit, 4096)) o
        left join ringwall.audit_head h on h.tenant_id = o.tenant_id
        left join ringwall.audit_entry e on e.tenant_id = o.tenant_id and e.event_id = o.event_id
    $$`.execute(db);

  await sql`
    create function ringwall.audit_append(
      p_epoch bigint, p_tenants text[], p_events text[], p_positions text[], p_hashes text[], p_actions text[]
    ) returns void
    language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
    declare moved bigint;
    begin
      perform from ringwall.audit_sequencer where epoch = p_epoch;
      if not found then raise exception 'another sequencer took over' using errcode = 'object_in_use'; end if;
      if exists (
        select from (select tenant, count(*) as n, min(position::bigint) as first, max(position::bigint) as last
                       from unnest(p_tenants, p_positions) as i (tenant, position) group by tenant) i
          left join ringwall.audit_head h on h.tenant_id = i.tenant
         where i.first <> coalesce(h.size, 0) + 1 or i.last <> coalesce(h.size, 0) + i.n
      ) then raise exception 'positions do not follow the head' using errcode = 'integrity_constraint_violation'; end if;
      with input as (
        select tenant, event::uuid, position::bigint, decode(hash, 'hex') as hash, action
          from unnest(p_tenants, p_events, p_positions, p_hashes, p_actions) as i (tenant, event, position, hash, action)
      ), taken as (
        delete from ringwall.audit_outbox o using input i where o.tenant_id = i.tenant and o.event_id = i.event
        returning o.tenant_id, i.position, o.event_id, o.occurred_at, i.action, o.leaf, i.hash, o.detail
      ), entered as (
        insert into ringwall.audit_entry (tenant_id, position, event_id, occurred_at, action, leaf, hash, detail)
        select * from taken returning 1
      ) select count(*) into moved from entered;
      if moved <> cardinality(p_events) then
        raise exception 'outbox rows are gone' using errcode = 'integrity_constraint_violation';
      end if;
      insert into ringwall.audit_head as h (tenant_id, size, hash)
      select distinct on (tenant) tenant, position::bigint, decode(hash, 'hex')
        from unnest(p_tenants, p_positions, p_hashes) as i (tenant, position, hash)
       order by tenant, position::bigint desc
      on conflict (tenant_id) do update set size = excluded.size, hash = excluded.hash;
    end $$`.execute(db);
}

async function settling(db: Kysely<unknown>): Promise<void> {
  // A row that is chained already is dropped; one that can never be is kept aside.
  await sql`
    create function ringwall.audit_refuse(p_epoch bigint, p_tenants text[], p_events text[], p_reasons text[]) returns void
    language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
    begin
      perform from ringwall.audit_sequencer where epoch = p_epoch;
      if not found then raise exception 'another sequencer took over' using errcode = 'object_in_use'; end if;
      with input as (
        select tenant, event::uuid, reason from unnest(p_tenants, p_events, p_reasons) as i (tenant, event, reason)
      ), taken as (
        delete from ringwall.audit_outbox o using input i where o.tenant_id = i.tenant and o.event_id = i.event
        returning o.tenant_id, o.event_id, o.occurred_at, o.leaf, o.detail, i.reason
      )
      insert into ringwall.audit_refused (tenant_id, event_id, occurred_at, leaf, detail, reason)
      select * from taken t where not exists (
        select from ringwall.audit_entry e
         where e.tenant_id = t.tenant_id and e.event_id = t.event_id and e.leaf = t.leaf);
    end $$`.execute(db);

  await sql`
    create function ringwall.audit_sign(p_epoch bigint, p_tenants text[], p_sizes text[], p_signed text[]) returns void
    language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
    begin
      perform from ringwall.audit_sequencer where epoch = p_epoch;
      if not found then raise exception 'another sequencer took over' using errcode = 'object_in_use'; end if;
      insert into ringwall.audit_head_signed (tenant_id, size, signed)
      select tenant, size::bigint, signed from unnest(p_tenants, p_sizes, p_signed) as i (tenant, size, signed)
      on conflict do nothing;
    end $$`.execute(db);
}

async function reading(db: Kysely<unknown>): Promise<void> {
  await sql`
    create function ringwall.audit_heads(p_after text, p_limit integer)
    returns table (tenant_id text, size text, hash bytea, signed text)
    language sql stable security definer set search_path = pg_catalog, pg_temp as $$
      select h.tenant_id, h.size::text, h.hash,
             (select s.signed from ringwall.audit_head_signed s
               where s.tenant_id = h.tenant_id order by s.size desc limit 1)
        from ringwall.audit_head h where h.tenant_id > p_after order by h.tenant_id limit least(p_limit, 4096)
    $$`.execute(db);

  await sql`
    create function ringwall.audit_head_of(p_tenant text)
    returns table (tenant_id text, size text, hash bytea, signed text)
    language sql stable security definer set search_path = pg_catalog, pg_temp as $$
      select h.tenant_id, h.size::text, h.hash,
             (select s.signed from ringwall.audit_head_signed s
               where s.tenant_id = h.tenant_id order by s.size desc limit 1)
        from ringwall.audit_head h where h.tenant_id = p_tenant
    $$`.execute(db);

  await sql`
    create function ringwall.audit_read(p_tenant text, p_after bigint, p_limit integer)
    returns table (pos text, event_id text, occurred_ms text, action text, leaf text, hash bytea, detail bytea)
    language sql stable security definer set search_path = pg_catalog, pg_temp as $$
      select e.position::text, e.event_id::text, (extract(epoch from e.occurred_at) * 1000)::bigint::text, e.action,
             e.leaf, e.hash, e.detail
        from ringwall.audit_entry e
       where e.tenant_id = p_tenant and e.position > p_after order by e.position limit least(p_limit, 4096)
    $$`.execute(db);

  await sql`
    create function ringwall.audit_signed(p_tenant text, p_after bigint, p_limit integer)
    returns table (size text, signed text)
    language sql stable security definer set search_path = pg_catalog, pg_temp as $$
      select s.size::text, s.signed from ringwall.audit_head_signed s
       where s.tenant_id = p_tenant and s.size > p_after order by s.size limit least(p_limit, 4096)
    $$`.execute(db);
}

const WORKER_FUNCTIONS = [
  "audit_claim(uuid, integer)",
  "audit_renew(bigint, integer)",
  "audit_release(bigint)",
  "audit_peek(bigint)",
  "audit_take(bigint, integer)",
  "audit_append(bigint, text[], text[], text[], text[], text[])",
  "audit_refuse(bigint, text[], text[], text[])",
  "audit_sign(bigint, text[], text[], text[])",
  "audit_heads(text, integer)",
  "audit_head_of(text)",
  "audit_read(text, bigint, integer)",
  "audit_signed(text, bigint, integer)",
];

async function functionRights(db: Kysely<unknown>): Promise<void> {
  for (const signature of WORKER_FUNCTIONS) await definerFunction(db, signature, ["ringwall_worker"]);
}
