import { CONTEXT } from "../base.ts";
import { type Fault, planting } from "../fault.ts";

const view = (options: string, body: string, grants: string): string =>
  planting`grant select, update on shop.customer to $other;\ncreate view shop.seen ${options} as ${body};\nalter view shop.seen owner to $other;\ngrant ${grants} on shop.seen to $app;\n`;
const ALL = "select tenant_id, customer_id, email from shop.customer";
const INVOKER = "with (security_invoker = true)";

const definer = (body: string): string =>
  planting`grant select on shop.customer to $other;\ncreate function shop.find(wanted text) returns setof shop.customer language sql stable security definer set search_path = pg_catalog, pg_temp as $body$${body}$body$;\nalter function shop.find owner to $other;\ngrant execute on function shop.find to $app;\n`;
const telling = (mark: string): string =>
  planting`create function shop.tell(value text) returns boolean language plpgsql immutable ${mark} cost 0.01 as $body$ begin raise exception 'not %', value; end $body$;\ngrant execute on function shop.tell to $app;\n`;

/** Other doors to the rows than the table. */
export const PATH_FAULTS: readonly Fault[] = [
  {
    check: "probe-partition",
    plant: "grant select on shop.event_2026, shop.event_2027 to $app;\n",
    silent: "grant select on shop.event_2026, shop.event_2027 to $other;\n",
  },
  {
    check: "probe-inheritance",
    plant: "create table shop.vip () inherits (shop.customer);\ngrant select on shop.vip to $app;\n",
    silent: planting`create table shop.vip () inherits (shop.customer);\nalter table shop.vip enable row level security;\ncreate policy wall on shop.vip using (tenant_id = ${CONTEXT});\ngrant select on shop.vip to $app;\n`,
  },
  { check: "probe-view", plant: view("", ALL, "select"), silent: view(INVOKER, ALL, "select") },
  {
    check: "probe-view",
    title: "behind another view",
    plant: planting`${view("", ALL, "select")}create view shop.outer_view with (security_invoker = true) as select email from shop.seen;\ngrant select on shop.outer_view to $app;\nrevoke select on shop.seen from $app;\nalter view shop.outer_view reset (security_invoker);\n`,
  },
  { check: "probe-view-write", plant: view("", ALL, "select, update"), silent: view(INVOKER, ALL, "select, update") },
  {
    check: "probe-view-influence",
    plant: view("", "select count(*) as customers from shop.customer", "select"),
    silent: view(INVOKER, "select count(*) as customers from shop.customer", "select"),
  },
  {
    check: "probe-materialized-view",
    plant: planting`create materialized view shop.emails as ${ALL};\ngrant select on shop.customer to $other;\nalter materialized view shop.emails owner to $other;\ngrant select on shop.emails to $app;\n`,
    silent: planting`create materialized view shop.emails as ${ALL};\ngrant select on shop.customer to $other;\nalter materialized view shop.emails owner to $other;\n`,
  },
  {
    check: "probe-definer-function",
    plant: definer("select c.* from shop.customer c where c.tenant_id = wanted"),
    silent: definer(planting`select c.* from shop.customer c where c.tenant_id = wanted and c.tenant_id = ${CONTEXT}`),
  },
  { check: "probe-leakproof-function", plant: telling("leakproof"), silent: telling("") },
  {
    check: "probe-sequence",
    plant: "grant select on sequence shop.purchase_purchase_id_seq to $app;\n",
    silent: "grant usage on sequence shop.purchase_purchase_id_seq to $app;\n",
  },
];

const MADE =
  "create table shop.figures (tenant_id text not null, figure int not null, primary key (tenant_id, figure));\ninsert into shop.figures select 'tenant-' || (n % 3), n from generate_series(1, 300) n;\nanalyze shop.figures;\ngrant select on shop.figures to $app;\n";
const raising = (said: string): string =>
  planting`create function shop.taken() returns trigger language plpgsql security definer set search_path = pg_catalog, pg_temp as $body$ declare other text; begin select tenant_id into other from shop.event where tenant_id <> new.tenant_id limit 1; if other is not null and session_user = '$app' then raise exception ${said}; end if; return new; end $body$;\ngrant select on shop.event to $other;\nalter function shop.taken owner to $other;\ncreate trigger taken before insert on shop.event for each row execute function shop.taken();\n`;

/** What the app role may do besides. */
export const RIGHT_FAULTS: readonly Fault[] = [
  {
    check: "probe-create-table",
    plant: "grant create on schema shop to $app;\n",
    silent: "grant create on schema shop to $other;\n",
  },
  {
    check: "probe-create-function",
    plant: "create schema free;\ngrant all on schema free to $app;\ncreate table free.any (tenant_id text);\n",
    silent: "create schema free;\ngrant usage on schema free to $app;\ncreate table free.any (tenant_id text);\n",
    settings: { schemas: ["shop", "free"] },
  },
  {
    check: "probe-temp-table-shadow",
    plant: "grant temporary on database $db to $app;\n",
    silent: "grant temporary on database $db to $other;\n",
  },
  {
    check: "probe-statistics",
    plant: MADE,
    silent: planting`${MADE}alter table shop.figures enable row level security;\n`,
  },
  {
    check: "probe-activity",
    plant: "alter role $app inherit;\ngrant pg_read_all_stats to $app;\n",
    silent: "alter role $other inherit;\ngrant pg_read_all_stats to $other;\n",
  },
  {
    check: "probe-statements",
    plant:
      "create schema watched;\ncreate view watched.pg_stat_statements as select 'select 1'::text as query, 10::oid as userid;\ngrant usage on schema watched to $app;\ngrant select on watched.pg_stat_statements to $app;\n",
    silent:
      "create schema watched;\ncreate view watched.pg_stat_statements as select 'select 1'::text as query, 10::oid as userid;\ngrant usage on schema watched to $app;\n",
  },
  {
    check: "probe-large-object",
    plant:
      "select lo_from_bytea(7400123, 'of a tenant');\ngrant select on large object 7400123 to $app;\ngrant execute on function lo_get(oid, bigint, integer) to $app;\n",
    silent: "select lo_from_bytea(7400123, 'of a tenant');\n",
  },
  {
    check: "probe-outward",
    plant:
      "create foreign data wrapper outward;\ncreate server elsewhere foreign data wrapper outward;\ngrant usage on foreign server elsewhere to $app;\n",
    silent: "create foreign data wrapper outward;\ncreate server elsewhere foreign data wrapper outward;\n",
  },
  {
    check: "probe-server-files",
    plant: "alter role $app inherit;\ngrant pg_read_server_files to $app;\n",
    silent: "grant pg_read_server_files to $other;\n",
  },
  { check: "probe-error-detail", plant: raising("'taken by %', other"), silent: raising("'taken'") },
];
