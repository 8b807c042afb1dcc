import { planting } from "./fault.ts";

/** Who and where: names that exist in one run alone, put in for `$app`, `$owner`, `$other` and `$db`. */
export type Names = Readonly<Record<"app" | "owner" | "other" | "db", string>>;

/** The setting that says whose a transaction is, in the scratch schema. */
export const SETTING = "shop.tenant";

/** How the scratch schema's policies say whose a row is. */
export const CONTEXT = planting`(select nullif(current_setting('${SETTING}', true), ''))`;

/** Logins, one owner, and a schema of its own; `$other` owns what bypasses row-level security. */
export const ROLES = planting`
create role $owner nologin;
create role $app login noinherit;
create role $other nologin bypassrls;
revoke temporary, create on database $db from public;
revoke create on schema public from public;
create schema shop authorization $owner;
grant usage on schema shop to $app, $other;
`;

const walled = (table: string): string => planting`
alter table shop.${table} enable row level security;
alter table shop.${table} force row level security;
create policy wall on shop.${table} as restrictive using (tenant_id = ${CONTEXT}) with check (tenant_id = ${CONTEXT});
create policy app on shop.${table} to $app using (true) with check (true);
create policy owner on shop.${table} to $owner using (true) with check (true);
grant select, insert, update, delete on shop.${table} to $app;
`;

/** A shop without a fault: composite keys and references, an enum, a partitioned table, safe views and functions. */
export const TABLES = planting`
create type shop.state as enum ('open', 'paid', 'sent');
create table shop.tenant (
  tenant_id text not null primary key check (tenant_id ~ '^[a-z0-9_-]{3,60}$'), name text not null);
create table shop.customer (
  tenant_id text not null default nullif(current_setting('${SETTING}', true), '') references shop.tenant,
  customer_id uuid not null default gen_random_uuid(), email text not null check (email like '%@%'), active boolean not null default true,
  born date check (born > '1900-01-01'), primary key (tenant_id, customer_id), unique (tenant_id, email));
create table shop.purchase (
  tenant_id text not null, purchase_id bigint generated always as identity, customer_id uuid not null, state shop.state not null default 'open',
  total numeric(12, 2) not null check (total > 0), doubled numeric generated always as (total * 2) stored, note varchar(40),
  tags text[] not null default '{}', meta jsonb, primary key (tenant_id, purchase_id),
  foreign key (tenant_id, customer_id) references shop.customer (tenant_id, customer_id) on delete cascade deferrable);
create table shop.line (
  tenant_id text not null, purchase_id bigint not null, line_no smallint not null check (line_no between 1 and 999), sku text not null,
  primary key (tenant_id, purchase_id, line_no),
  foreign key (tenant_id, purchase_id) references shop.purchase (tenant_id, purchase_id) on delete cascade);
create table shop.event (
  tenant_id text not null, event_id uuid not null, at timestamptz not null, text text not null,
  primary key (tenant_id, at, event_id)) partition by range (at);
create table shop.event_2026 partition of shop.event for values from ('2026-01-01') to ('2027-01-01');
create table shop.event_2027 partition of shop.event for values from ('2027-01-01') to ('2028-01-01');
create table shop.country (code char(2) not null primary key, name text not null);
grant select on shop.country to $app;
${["tenant", "customer", "purchase", "line", "event"].map(walled).join("")}
create view shop.open_purchase with (security_invoker = true, security_barrier = true) as
  select p.tenant_id, p.purchase_id, p.total, c.email from shop.purchase p join shop.customer c using (tenant_id, customer_id) where p.state = 'open';
grant select on shop.open_purchase to $app;
create function shop.purchases() returns bigint language sql stable parallel safe set search_path = pg_catalog, pg_temp
  as $body$select pg_catalog.count(*) from shop.purchase$body$;
grant execute on function shop.purchases() to $app;
`;

/** One table, walled as it should be, with the roles: what the static checks' faults are planted in. */
export const SMALL_SCHEMA = `
  create role $owner nologin;
  create role $app login noinherit;
  revoke temporary, create on database $db from public;
  create schema shop authorization $owner;
  grant usage on schema shop to $app;
  set local role $owner;
  create table shop.customer (
    tenant_id text not null default nullif(current_setting('shop.tenant', true), ''),
    customer_id uuid not null, email text not null,
    primary key (tenant_id, customer_id)
  );
  alter table shop.customer enable row level security;
  alter table shop.customer force row level security;
  create policy wall on shop.customer as restrictive using (tenant_id = (select nullif(current_setting('shop.tenant', true), '')));
  create policy app on shop.customer to $app using (true);
  grant select, insert, update, delete on shop.customer to $app;
  reset role`;

/** Puts the names in and cuts the text into statements: a semicolon at the end of a line ends one. */
export function statementsOf(text: string, names: Names): string[] {
  const filled = text.replaceAll(/\$(app|owner|other|db)/g, (_all, key: keyof Names) => names[key]);
  return filled.split(/;[ \t]*(?:\n|$)/).filter((statement) => statement.trim() !== "");
}
