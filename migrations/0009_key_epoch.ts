import { type Kysely, sql } from "kysely";
import type { Migration } from "./migration.ts";
import { definerFunction, wall } from "./wall.ts";

/**
 * What every process asks once a second: whose keys changed since it last asked. The account of an erased person, and
 * how far rewrapping is.
 *
 * A notification can be lost; this table cannot. It is written by triggers in the transaction of the change itself.
 */
export const migration: Migration = {
  name: "0009_key_epoch",
  async up(db) {
    await epoch(db);
    await eraseAccount(db);
    await progress(db);
  },
};

async function epoch(db: Kysely<unknown>): Promise<void> {
  // changed: the transaction that changed the tenant's keys last. Behind a wall that no role has a door in.
  await sql`
    create table ringwall.key_epoch (
      tenant_id text not null primary key check (tenant_id <> ''),
      changed   xid8 not null
    )`.execute(db);
  await wall(db, "key_epoch", {});
  await sql`create index key_epoch_changed on ringwall.key_epoch (changed)`.execute(db);
  await sql`grant select, insert, update on ringwall.key_epoch to ringwall_definer`.execute(db);
  await sql`
    create function ringwall.key_epoch_bump() returns trigger
    language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
    begin
      insert into ringwall.key_epoch as e (tenant_id, changed) values (new.tenant_id, pg_current_xact_id())
        on conflict (tenant_id) do update set changed = excluded.changed;
      return null;
    end $$`.execute(db);
  // Nobody holds what was not there: a first version changes nothing for anybody. A key wrapped anew stays the same key.
  await sql`
    create trigger key_epoch_made after insert on ringwall.tenant_key
      for each row when (new.version > 1) execute function ringwall.key_epoch_bump()`.execute(db);
  await sql`
    create trigger key_epoch_changed after update of state on ringwall.tenant_key
      for each row when (new.state is distinct from old.state) execute function ringwall.key_epoch_bump()`.execute(db);
  await sql`
    create trigger key_epoch_erased after insert on ringwall.erasure
      for each row execute function ringwall.key_epoch_bump()`.execute(db);
  await definerFunction(db, "key_epoch_bump()", []);
  // Whatever was not visible to the snapshot before has a transaction number of at least that snapshot's xmin, so
  // nothing is missed, however transactions overlap; some are told twice.
  await sql`
    create function ringwall.key_epoch_since(p_since text)
    returns table (upto text, tenant_id text, changed text)
    language sql stable security definer set search_path = pg_catalog, pg_temp as $$
      select s.upto::text, e.tenant_id, e.changed::text
        from (select pg_snapshot_xmin(pg_current_snapshot()) as upto) s
        left join lateral (
          select k.tenant_id, k.changed from ringwall.key_epoch k
           where k.changed >= p_since::xid8 order by k.changed limit 10001) e on true
    $$`.execute(db);
  await definerFunction(db, "key_epoch_since(text)", ["ringwall_app", "ringwall_worker"]);
}

/** What the identity layer keeps of a person in clear: made a pseudonym, and the account closed for good. */
async function eraseAccount(db: Kysely<unknown>): Promise<void> {
  await sql`
    grant update (email, name, status, password_hash, factor_required) on ringwall.user_account to ringwall_definer`.execute(
    db,
  );
  await sql`
    grant update (address_prefix, user_agent, enrolment_seed, revoked_at) on ringwall.session to ringwall_definer`.execute(
    db,
  );
  await sql`
    grant delete on ringwall.totp_factor, ringwall.login_transaction, ringwall.link to ringwall_definer`.execute(db);
  // The hash is well-formed and of nothing that anybody knows: 32 random bytes stand where the digest would.
  await sql`
    create function ringwall.account_erase(p_user text) returns bigint
    language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
    declare
      mine text := ringwall.tenant();
      account ringwall.user_account;
      changed bigint := 0;
      step bigint;
    begin
      if mine is null then raise exception 'no tenant' using errcode = 'insufficient_privilege'; end if;
      select * into account from ringwall.user_account u
       where u.tenant_id = mine and u.user_id::text = p_user for update;
      if not found then return 0; end if;
      update ringwall.session s
         set revoked_at = coalesce(s.revoked_at, now()), address_prefix = null, user_agent = null, enrolment_seed = null
       where s.tenant_id = mine and s.user_id = account.user_id
         and (s.revoked_at is null or s.address_prefix is not null or s.user_agent is not null
              or s.enrolment_seed is not null);
      get diagnostics step = row_count; changed := changed + step;
      delete from ringwall.totp_factor f where f.tenant_id = mine and f.user_id = account.user_id;
      get diagnostics step = row_count; changed := changed + step;
      delete from ringwall.login_transaction l where l.tenant_id = mine and l.user_id = account.user_id;
      get diagnostics step = row_count; changed := changed + step;
      delete from ringwall.link l where l.tenant_id = mine and l.subject in (p_user, account.email);
      get diagnostics step = row_count; changed := changed + step;
      update ringwall.user_account u
         set email = p_user || '@erased.invalid', name = 'Erased', status = 'disabled', factor_required = false,
             password_hash = '$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$'
               || rtrim(encode(sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid())), 'base64'), '=')
       where u.tenant_id = mine and u.user_id = account.user_id
         and (u.email <> p_user || '@erased.invalid' or u.name <> 'Erased' or u.status <> 'disabled');
      get diagnostics step = row_count; changed := changed + step;
      return changed;
    end $$`.execute(db);
  await definerFunction(db, "account_erase(text)", ["ringwall_worker"]);
}

/** Sums over all tenants, for a metric: no tenant is named. */
async function progress(db: Kysely<unknown>): Promise<void> {
  await sql`
    create function ringwall.key_job_progress()
    returns table (work text, jobs bigint, done bigint, total bigint)
    language sql stable security definer set search_path = pg_catalog, pg_temp as $$
      select j.work, count(*), sum(j.done)::bigint, sum(j.total)::bigint from ringwall.key_job j
       where j.state <> 'done' group by j.work
    $$`.execute(db);
  await definerFunction(db, "key_job_progress()", ["ringwall_worker"]);
}
