import type { StaticFault as Case } from "../../self-test/fault.ts";

const MINE = "tenant_id = (select nullif(current_setting('shop.tenant', true), ''))";
const SAFE = "set search_path = pg_catalog, pg_temp";
const DEFINER = `security definer ${SAFE}`;
const make = (name: string, options: string, body: string, returns = "setof text"): string =>
  `create function shop.${name}() returns ${returns} ${options} as $body$${body}$body$;\n`;
const CLOSED = "revoke execute on all functions in schema shop from public;\n";
const OPEN = `${CLOSED}grant execute on function shop.f() to $app;\n`;
const CALLS = make("f", `language sql stable ${DEFINER}`, "select * from shop.g()");
const LOG = "create table shop.log (email text);\n";
const TRIGGER = "create trigger t after insert on shop.log for each row execute function shop.t();\n";

/** What functions with their owner's rights reach through something else. */
export const INDIRECT_REACH_CASES: readonly Case[] = [
  {
    check: "definer-reaches-tenants",
    title: "through a function that it calls",
    plant: `${make("g", "language sql stable", "select email from shop.customer")}${CALLS}${OPEN}`,
    silent: `${make("g", "language sql stable", `select email from shop.customer where ${MINE}`)}${CALLS}${OPEN}`,
  },
  {
    check: "definer-reaches-tenants",
    title: "through three functions that call each other, one with its owner's rights",
    plant: `${make("h", `language sql stable ${DEFINER}`, "select email from shop.customer")}${make("g", "language plpgsql stable", "begin if false then perform shop.g(); end if; return query select * from shop.h(); end")}${CALLS}${OPEN}`,
    silent: `${make("h", "language sql stable", "select 'x'::text")}${make("g", "language plpgsql stable", "begin if false then perform shop.g(); end if; return query select * from shop.h(); end")}${CALLS}${OPEN}`,
  },
  {
    check: "definer-reaches-tenants",
    title: "through a view",
    plant: `create view shop.v as select email from shop.customer;\n${make("f", `language sql stable ${DEFINER}`, "select email from shop.v")}${OPEN}`,
    silent: `create view shop.v as select email from shop.customer where ${MINE};\n${make("f", `language sql stable ${DEFINER}`, "select email from shop.v")}${OPEN}`,
  },
  {
    check: "definer-reaches-tenants",
    title: "through a view over a function",
    plant: `${make("g", "language sql stable", "select email from shop.customer")}create view shop.v as select * from shop.g() as email;\n${make("f", `language sql stable ${DEFINER}`, "select email from shop.v")}${OPEN}`,
    silent: `${make("g", "language sql stable", "select 'x'::text")}create view shop.v as select * from shop.g() as email;\n${make("f", `language sql stable ${DEFINER}`, "select email from shop.v")}${OPEN}`,
  },
  {
    check: "definer-reaches-tenants",
    title: "through a trigger of a table that it writes",
    plant: `${LOG}${make("t", `language plpgsql ${SAFE}`, "begin delete from shop.customer; return new; end", "trigger")}${TRIGGER}${make("f", `language sql ${DEFINER}`, "insert into shop.log values ('x')", "void")}${OPEN}`,
    silent: `${LOG}${make("t", `language plpgsql ${SAFE}`, "begin return new; end", "trigger")}${TRIGGER}${make("f", `language sql ${DEFINER}`, "insert into shop.log values ('x')", "void")}${OPEN}`,
    settings: { globalTables: [{ table: "shop.log", reason: "Nobody's addresses." }] },
  },
  {
    check: "definer-reaches-tenants",
    title: "in a WITH that changes rows",
    plant: `${make("f", `language sql ${DEFINER}`, "with d as (delete from shop.customer returning email) select email from d")}${OPEN}`,
    silent: `${make("f", `language sql ${DEFINER}`, "with d as (select 'x'::text as email) select email from d")}${OPEN}`,
  },
  {
    check: "definer-reaches-tenants",
    title: "in what it gives back of another table",
    plant: `${LOG}${make("f", `language sql ${DEFINER}`, "delete from shop.log returning (select min(email) from shop.customer)")}${OPEN}`,
    silent: `${LOG}${make("f", `language sql ${DEFINER}`, "delete from shop.log returning email")}${OPEN}`,
    settings: { globalTables: [{ table: "shop.log", reason: "Nobody's addresses." }] },
  },
  {
    check: "definer-reaches-tenants",
    title: "from a schema that is not looked at",
    plant: `create schema other;\ngrant usage on schema other to $app;\ncreate function other.f() returns setof text language sql ${DEFINER} as 'select email from shop.customer';\n`,
    silent: `create schema other;\ngrant usage on schema other to $app;\ncreate function other.f() returns setof text language sql ${SAFE} as 'select email from shop.customer';\n`,
  },
  {
    check: "definer-trigger",
    title: "that calls a function",
    plant: `${LOG}${make("g", "language sql", "delete from shop.customer", "void")}${make("t", `language plpgsql ${DEFINER}`, "begin perform shop.g(); return new; end", "trigger")}${TRIGGER}`,
    silent: `${LOG}${make("g", "language sql", "select 1", "integer")}${make("t", `language plpgsql ${DEFINER}`, "begin perform shop.g(); return new; end", "trigger")}${TRIGGER}`,
  },
  {
    check: "definer-unread",
    title: "in what it calls",
    plant: `${make("g", "language internal", "now", "timestamptz")}${make("f", `language sql ${DEFINER}`, "select shop.g()", "timestamptz")}${OPEN}`,
    silent: `${make("f", `language sql ${DEFINER}`, "select pg_catalog.now()", "timestamptz")}${OPEN}`,
  },
  {
    check: "definer-dynamic-sql",
    title: "in what it calls",
    plant: `${make("g", "language plpgsql", "begin execute 'select 1'; end", "void")}${make("f", `language sql ${DEFINER}`, "select shop.g()", "void")}${OPEN}`,
    silent: `${make("g", "language plpgsql", "begin perform 1; end", "void")}${make("f", `language sql ${DEFINER}`, "select shop.g()", "void")}${OPEN}`,
  },
  {
    check: "definer-dynamic-sql",
    title: "by a function that runs a text",
    plant: `${make("f", `language sql ${DEFINER}`, "select query_to_xml('select 1', true, true, '')::text")}${OPEN}`,
    silent: `${make("f", `language sql ${DEFINER}`, "select to_json(1)::text")}${OPEN}`,
  },
  {
    check: "view-bypasses-wall",
    title: "for the second of the app's roles alone",
    plant:
      "create role second_$app login;\ngrant usage on schema shop to second_$app;\ncreate view shop.v as select * from shop.customer;\ngrant select on shop.v to second_$app;\n",
    silent:
      "create role second_$app login;\ngrant usage on schema shop to second_$app;\ncreate view shop.v as select * from shop.customer;\n",
    settings: { appRoles: ["$app", "second_$app"] },
  },
  {
    check: "rule-rewrites",
    title: "on a table that is nobody's",
    plant: `${LOG}create rule r as on insert to shop.log do also delete from shop.customer;\n`,
    silent: LOG,
    settings: { globalTables: [{ table: "shop.log", reason: "Nobody's addresses." }] },
  },
];
