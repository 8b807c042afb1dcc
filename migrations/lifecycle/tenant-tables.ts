import { type Kysely, sql } from "kysely";

/** The policy by which the tables' owner sees rows of the tenant whose context it carries, and of no other. */
const OWNER_POLICY = "ringwall_lifecycle";

/**
 * What stays when a tenant is deleted. The register's row keeps the id from being given again; the erasure and the
 * destroyed keys' commitments are what the certificate is checked against, and refuse new keys; the audit chain is held
 * together by its hashes, and its details open no more.
 */
const KEPT = [
  "tenant",
  "tenant_key",
  "key_epoch",
  "erasure",
  "audit_outbox",
  "audit_entry",
  "audit_head",
  "audit_head_signed",
  "audit_refused",
] as const;

/** Which tables hold tenants' rows, found by their walls, and how the rows of one that is being deleted go. */
export async function createTenantTables(db: Kysely<unknown>): Promise<void> {
  await listing(db);
  await deleting(db);
}

async function listing(db: Kysely<unknown>): Promise<void> {
  const kept = sql.join(KEPT.map((name) => sql.lit(name)));
  // A wall is known by what its policy stands on, not by its name or text: a restrictive policy that calls
  // ringwall.tenant(). A partition's rows are reached through its parent. `opened`: the owner has a door in the wall.
  await sql`
    create function ringwall.tenant_tables()
    returns table (table_oid oid, table_schema text, table_name text, kind text, kept boolean, opened boolean)
    language sql stable set search_path = pg_catalog, pg_temp as $$
      with walled as (
        select c.oid, n.nspname, c.relname, c.relkind, c.relowner, c.relispartition
          from pg_class c join pg_namespace n on n.oid = c.relnamespace
         where c.relkind in ('r', 'p') and c.relpersistence <> 't' and c.relrowsecurity and c.relforcerowsecurity
           and exists (
             select from pg_policy p join pg_depend d
               on d.classid = 'pg_policy'::regclass and d.objid = p.oid and d.refclassid = 'pg_proc'::regclass
                  and d.refobjid = 'ringwall.tenant()'::regprocedure
              where p.polrelid = c.oid and not p.polpermissive))
      select w.oid, w.nspname::text, w.relname::text, case w.relkind when 'p' then 'partitioned' else 'plain' end,
             w.nspname = 'ringwall' and w.relname in (${kept}),
             w.relowner = 'ringwall_migrate'::regrole and exists (
               select from pg_policy p
                where p.polrelid = w.oid and p.polpermissive and p.polcmd = '*'
                  and (p.polroles @> array[0::oid] or p.polroles @> array['ringwall_migrate'::regrole::oid]))
        from walled w
       where not (w.relispartition and exists (
         select from pg_partition_ancestors(w.oid) a join walled up on up.oid = a.relid where a.relid <> w.oid))
       order by 2, 3
    $$`.execute(db);
  await sql`revoke all on function ringwall.tenant_tables() from public`.execute(db);
  await sql`grant execute on function ringwall.tenant_tables() to ringwall_worker`.execute(db);
}

/**
 * Run with the owner's rights, who owns what is to be emptied and is bound by the wall as everybody is (FORCE): rows of
 * another tenant are not there for it, whatever is called. And only in a tenant whose end has begun.
 */
async function deleting(db: Kysely<unknown>): Promise<void> {
  // Several tables are emptied in one statement when they refer to each other: no order of them would do.
  await sql`
    create function ringwall.tenant_rows_delete(p_tables oid[], p_limit integer) returns bigint
    language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
    declare
      mine text := ringwall.tenant();
      chosen record;
      steps text := '';
      sums text := '';
      number integer := 0;
      deleted bigint;
    begin
      if mine is null or not exists (
        select from ringwall.tenant t where t.tenant_id = mine and t.status = 'deleting')
      then raise exception 'no tenant that is being deleted' using errcode = 'insufficient_privilege'; end if;
      for chosen in
        select t.* from ringwall.tenant_tables() t where t.table_oid = any (p_tables) and t.opened and not t.kept
      loop
        number := number + 1;
        steps := steps || format(
          case
            when p_limit is null then ', d%1$s as (delete from %2$s returning 1)'
            else ', d%1$s as (delete from %2$s where (tableoid, ctid) in (select tableoid, ctid from %2$s limit %3$s) returning 1)'
          end,
          number, format('%s %I.%I', case chosen.kind when 'plain' then 'only' else '' end,
            chosen.table_schema, chosen.table_name), p_limit);
        sums := sums || format(' + (select count(*) from d%s)', number);
      end loop;
      if number = 0 or number <> cardinality(p_tables)
      then raise exception 'not a table of tenants'' rows' using errcode = 'insufficient_privilege'; end if;
      execute 'with ' || substr(steps, 3) || ' select 0' || sums into deleted;
      return deleted;
    end $$`.execute(db);
  await sql`revoke all on function ringwall.tenant_rows_delete(oid[], integer) from public`.execute(db);
  await sql`grant execute on function ringwall.tenant_rows_delete(oid[], integer) to ringwall_worker`.execute(db);
}

/**
 * Gives the owner its door in every wall that has none yet: those that this migration found, and those of tables that
 * applications make later. The owner could lift the walls anyway; this lets it work behind them.
 */
export async function openWallsToOwner(db: Kysely<unknown>): Promise<void> {
  const { rows } = await sql<{ table_schema: string; table_name: string }>`
    select t.table_schema, t.table_name from ringwall.tenant_tables() t join pg_class c on c.oid = t.table_oid
     where not t.opened and c.relowner = current_user::regrole`.execute(db);
  for (const { table_name: name, table_schema: schema } of rows) {
    await sql`
      create policy ${sql.id(OWNER_POLICY)} on ${sql.id(schema, name)} for all to current_user
        using (true) with check (true)`.execute(db);
  }
}
