import { type Kysely, sql } from "kysely";
import { grantAll } from "./wall.ts";

/** Which tables of host applications hold sealed rows, and what the worker may do with their row keys. */
export async function createRowKeyFunctions(db: Kysely<unknown>): Promise<void> {
  await sealedTables(db);
  await rowKeys(db);
  await eraseRowKeys(db);
  await rights(db);
}

async function sealedTables(db: Kysely<unknown>): Promise<void> {
  // global table sealed_table: names of tables and columns, no tenant's rows; written by migrations alone.
  await sql`
    create table ringwall.sealed_table (
      place         text not null primary key check (length(place) between 1 and 200),
      table_schema  text not null,
      table_name    text not null,
      row_column    text not null,
      key_column    text not null,
      person_column text,
      tag_columns   text[] not null default '{}'
    )`.execute(db);
  await sql`alter table ringwall.sealed_table enable row level security`.execute(db);
  await sql`alter table ringwall.sealed_table force row level security`.execute(db);
  // Migrations register tables as the owner, and FORCE holds for the owner too.
  await grantAll(db, "sealed_table", {
    ringwall_worker: ["select"],
    ringwall_migrate: ["select", "insert", "update", "delete"],
  });
}

/**
 * Run with the worker's own rights, so that the wall and its column grants hold: a name that was not registered, or a
 * tenant whose context is not there, gives nothing. Names are quoted by `format`; values are bound.
 */
async function rowKeys(db: Kysely<unknown>): Promise<void> {
  // Along the key's index, in the order of the column's own type (a name without its table would be the text that is
  // given back), and never by sorting what is left: that would read the whole table for every batch.
  await sql`
    create function ringwall.row_keys_take(p_place text, p_version integer, p_after text, p_limit integer)
    returns table (row_id text, record bytea)
    language plpgsql volatile set search_path = pg_catalog, pg_temp
    set enable_seqscan = off set enable_bitmapscan = off set enable_sort = off as $$
    declare t ringwall.sealed_table;
    begin
      select * into strict t from ringwall.sealed_table s where s.place = p_place;
      return query execute format(
        'select t.%1$I::text, t.%2$I::bytea from %3$I.%4$I t
          where ($2 is null or t.%1$I > $2::%5$s) and get_byte(t.%2$I, 0) <> 0 and substring(t.%2$I from 3 for 4) < $1
          order by t.tenant_id, t.%1$I limit $3 for update skip locked',
        t.row_column, t.key_column, t.table_schema, t.table_name, ringwall.row_column_type(t))
        using int4send(p_version), p_after, p_limit;
    end $$`.execute(db);
  await sql`
    create function ringwall.row_column_type(t ringwall.sealed_table) returns text
    language sql stable set search_path = pg_catalog, pg_temp as $$
      select format_type(a.atttypid, a.atttypmod) from pg_attribute a
       where a.attrelid = format('%I.%I', t.table_schema, t.table_name)::regclass and a.attname = t.row_column
    $$`.execute(db);
  // The rows lie between the first and the last of a batch: the key's index finds them, whatever the statistics say.
  await sql`
    create function ringwall.row_keys_put(p_place text, p_rows text[], p_stale text[], p_fresh text[]) returns bigint
    language plpgsql volatile set search_path = pg_catalog, pg_temp set enable_seqscan = off as $$
    declare
      t ringwall.sealed_table;
      changed bigint;
    begin
      select * into strict t from ringwall.sealed_table s where s.place = p_place;
      execute format(
        'update %3$I.%4$I t set %2$I = decode(i.fresh, ''base64'')
           from unnest($1, $2, $3) as i (row_id, stale, fresh)
          where t.tenant_id = (select ringwall.tenant()) and t.%1$I = i.row_id::%5$s
            and t.%1$I >= $4::%5$s and t.%1$I <= $5::%5$s and t.%2$I::bytea = decode(i.stale, ''base64'')',
        t.row_column, t.key_column, t.table_schema, t.table_name, ringwall.row_column_type(t))
        using p_rows, p_stale, p_fresh, p_rows[1], p_rows[array_upper(p_rows, 1)];
      get diagnostics changed = row_count;
      return changed;
    end $$`.execute(db);
  await sql`
    create function ringwall.row_keys_left(p_place text, p_version integer) returns bigint
    language plpgsql stable set search_path = pg_catalog, pg_temp as $$
    declare
      t ringwall.sealed_table;
      found_rows bigint;
    begin
      select * into strict t from ringwall.sealed_table s where s.place = p_place;
      execute format(
        'select count(*) from %2$I.%3$I where get_byte(%1$I, 0) <> 0 and substring(%1$I from 3 for 4) < $1',
        t.key_column, t.table_schema, t.table_name)
        into found_rows using int4send(p_version);
      return found_rows;
    end $$`.execute(db);
}

async function rights(db: Kysely<unknown>): Promise<void> {
  for (const signature of [
    "row_keys_take(text, integer, text, integer)",
    "row_column_type(ringwall.sealed_table)",
    "row_tags_emptied(ringwall.sealed_table)",
    "row_keys_put(text, text[], text[], text[])",
    "row_keys_left(text, integer)",
    "row_keys_erase(text, text)",
    "row_keys_erase_person(text, text)",
  ]) {
    // tidy-allow(sql): a signature is a constant of a migration, and no quoting function takes one with its parameter types.
    const name = sql.raw(`ringwall.${signature}`);
    await sql`revoke all on function ${name} from public`.execute(db);
    await sql`grant execute on function ${name} to ringwall_worker`.execute(db);
  }
}

async function eraseRowKeys(db: Kysely<unknown>): Promise<void> {
  // 98 zero bytes: no version that anything opens, and nothing that a rewrap takes up. Tags go with the key: whoever
  // holds the tenant's index key could still ask whether the row held a certain value.
  await sql`
    create function ringwall.row_tags_emptied(t ringwall.sealed_table) returns text
    language sql immutable set search_path = pg_catalog, pg_temp as $$
      select coalesce(string_agg(format(', %I = null', name), ''), '') from unnest(t.tag_columns) as name
    $$`.execute(db);
  await sql`
    create function ringwall.row_keys_erase(p_place text, p_row text) returns bigint
    language plpgsql volatile set search_path = pg_catalog, pg_temp as $$
    declare
      t ringwall.sealed_table;
      changed bigint;
    begin
      select * into strict t from ringwall.sealed_table s where s.place = p_place;
      execute format(
        'update %3$I.%4$I set %2$I = decode(repeat(''00'', 98), ''hex'')%6$s
          where tenant_id = (select ringwall.tenant()) and %1$I = $1::%5$s and get_byte(%2$I, 0) <> 0',
        t.row_column, t.key_column, t.table_schema, t.table_name, ringwall.row_column_type(t),
        ringwall.row_tags_emptied(t))
        using p_row;
      get diagnostics changed = row_count;
      return changed;
    end $$`.execute(db);
  await sql`
    create function ringwall.row_keys_erase_person(p_place text, p_person text) returns bigint
    language plpgsql volatile set search_path = pg_catalog, pg_temp as $$
    declare
      t ringwall.sealed_table;
      changed bigint;
    begin
      select * into strict t from ringwall.sealed_table s where s.place = p_place and s.person_column is not null;
      execute format(
        'update %2$I.%3$I set %1$I = decode(repeat(''00'', 98), ''hex'')%5$s
          where tenant_id = (select ringwall.tenant()) and %4$I::text = $1 and get_byte(%1$I, 0) <> 0',
        t.key_column, t.table_schema, t.table_name, t.person_column, ringwall.row_tags_emptied(t))
        using p_person;
      get diagnostics changed = row_count;
      return changed;
    end $$`.execute(db);
}
