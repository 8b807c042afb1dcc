import type { StaticFault as Case } from "../../self-test/fault.ts";
import { INDIRECT_REACH_CASES } from "./reach-faults.ts";

const MINE = "tenant_id = (select nullif(current_setting('shop.tenant', true), ''))";
const GRANT =
  "revoke execute on all functions in schema shop from public;\ngrant execute on all functions in schema shop to $app;\n";
const SAFE = "set search_path = pg_catalog, pg_temp";
const fn = (options: string, body: string, returns = "setof text", args = ""): string =>
  `create function shop.f(${args}) returns ${returns} ${options} as $body$${body}$body$;\n${GRANT}`;
const DEFINER = `language sql stable security definer ${SAFE}`;
const view = (options: string, where: string): string =>
  `create view shop.v ${options} as select * from shop.customer ${where};\ngrant select on shop.v to $app;\n`;

/** Each check of indirect ways: what it has to find, and what it must be silent about. */
export const INDIRECT_CASES: readonly Case[] = [
  { check: "view-bypasses-wall", plant: view("", ""), silent: view("with (security_invoker = true)", "") },
  {
    check: "view-bypasses-wall",
    title: "that compares the tenant itself",
    plant: view("", "where email <> ''"),
    silent: view("", `where ${MINE}`),
  },
  {
    check: "view-bypasses-wall",
    title: "through another view",
    plant: `create view shop.inner_v as select * from shop.customer;\ncreate view shop.v with (security_invoker = true) as select * from shop.inner_v;\ngrant select on shop.v to $app;\n`,
    silent: `create view shop.inner_v with (security_invoker = true) as select * from shop.customer;\ncreate view shop.v with (security_invoker = true) as select * from shop.inner_v;\ngrant select on shop.v, shop.inner_v to $app;\n`,
  },
  {
    check: "view-no-security-barrier",
    plant: view("", `where ${MINE}`),
    silent: view("with (security_barrier = true)", `where ${MINE}`),
  },
  {
    check: "materialized-view-of-tenants",
    plant: "create materialized view shop.m as select * from shop.customer;\ngrant select on shop.m to $app;\n",
    silent: "create materialized view shop.m as select * from shop.customer;\n",
  },
  {
    check: "definer-reaches-tenants",
    plant: fn(DEFINER, "select email from shop.customer"),
    silent: fn(DEFINER, `select email from shop.customer where ${MINE}`),
  },
  {
    check: "definer-reaches-tenants",
    title: "by a key of the caller's, in PL/pgSQL",
    plant: fn(
      `language plpgsql stable security definer ${SAFE}`,
      "begin return query select email from shop.customer where tenant_id = wanted; end",
      "setof text",
      "wanted text",
    ),
    silent: fn(
      "language plpgsql stable",
      "begin return query select email from shop.customer where tenant_id = wanted; end",
      "setof text",
      "wanted text",
    ),
  },
  {
    check: "definer-reaches-tenants",
    title: "writes",
    plant: fn(`language plpgsql security definer ${SAFE}`, "begin update shop.customer set email = ''; end", "void"),
    silent: fn(`language plpgsql security definer ${SAFE}`, "begin perform 1; end", "void"),
  },
  ...INDIRECT_REACH_CASES,
  {
    check: "definer-trigger",
    plant: `create table shop.log (tenant_id text, email text);\ncreate function shop.t() returns trigger language plpgsql security definer ${SAFE} as $body$ begin insert into shop.log values (new.tenant_id, new.email); return new; end $body$;\ncreate trigger t after insert on shop.customer for each row execute function shop.t();\n`,
    silent: `create table shop.log (tenant_id text, email text);\ncreate function shop.t() returns trigger language plpgsql ${SAFE} as $body$ begin insert into shop.log values (new.tenant_id, new.email); return new; end $body$;\ncreate trigger t after insert on shop.customer for each row execute function shop.t();\n`,
  },
  {
    check: "definer-unread",
    plant: fn("language internal security definer", "now", "timestamptz"),
    silent: fn("language internal", "now", "timestamptz"),
  },
  {
    check: "definer-dynamic-sql",
    plant: fn(
      `language plpgsql security definer ${SAFE}`,
      "begin execute 'select ' || wanted; end",
      "void",
      "wanted text",
    ),
    silent: fn(`language plpgsql ${SAFE}`, "begin execute 'select ' || wanted; end", "void", "wanted text"),
  },
  {
    check: "definer-search-path",
    plant: fn("language sql stable security definer", "select lower(wanted)", "text", "wanted text"),
    silent: fn("language sql stable security definer", "select pg_catalog.lower(wanted)", "text", "wanted text"),
  },
  {
    check: "definer-for-everybody",
    plant: `create function shop.f() returns text ${DEFINER} as $body$ select 'x' $body$;\n`,
    silent: fn(DEFINER, "select 'x'", "text"),
  },
  {
    check: "function-leakproof",
    plant: fn("language sql immutable leakproof", "select true", "boolean"),
    silent: fn("language sql immutable", "select true", "boolean"),
  },
  {
    check: "function-cursor-with-hold",
    plant: fn("language sql", "declare c cursor with hold for select 1", "void"),
    silent: fn("language sql", "declare c cursor for select 1", "void"),
  },
  {
    check: "function-sets-context",
    plant: fn("language sql", "select set_config('shop.tenant', wanted, true)", "text", "wanted text"),
    silent: fn("language sql", "select set_config('shop.other', wanted, true)", "text", "wanted text"),
  },
  {
    check: "function-sets-role",
    plant: fn("language plpgsql", "begin set local role none; end", "void"),
    silent: fn("language plpgsql", "begin set local work_mem = '4MB'; end", "void"),
  },
  {
    check: "function-row-security-off",
    plant: fn("language sql set row_security = off", "select 1", "integer"),
    silent: fn("language sql set row_security = on", "select 1", "integer"),
  },
  {
    check: "rule-rewrites",
    plant: "create rule r as on delete to shop.customer do instead nothing;\n",
    silent: "select 1;\n",
  },
  {
    check: "operator-shadows",
    plant:
      "create function shop.yes(text, uuid) returns boolean language sql immutable as $body$ select true $body$;\ncreate operator shop.= (function = shop.yes, leftarg = text, rightarg = uuid);\n",
    silent:
      "create function shop.yes(text, uuid) returns boolean language sql immutable as $body$ select true $body$;\ncreate operator shop.=== (function = shop.yes, leftarg = text, rightarg = uuid);\n",
  },
  {
    check: "cast-implicit",
    plant: "create type shop.k as enum ('a');\ncreate cast (shop.k as text) with inout as implicit;\n",
    silent: "create type shop.k as enum ('a');\ncreate cast (shop.k as text) with inout as assignment;\n",
  },
  {
    check: "tenant-collation-loose",
    plant:
      "create collation shop.ci (provider = icu, locale = 'und-u-ks-level2', deterministic = false);\ncreate table shop.n (tenant_id text collate shop.ci not null);\n",
    silent:
      "create collation shop.ci (provider = icu, locale = 'und-u-ks-level2', deterministic = true);\ncreate table shop.n (tenant_id text collate shop.ci not null);\n",
  },
  {
    check: "default-calls-definer",
    plant: `${fn(DEFINER, "select 'x'", "text")}alter table shop.customer alter email set default shop.f();\n`,
    silent: `${fn("language sql stable", "select 'x'", "text")}alter table shop.customer alter email set default shop.f();\n`,
  },
];
