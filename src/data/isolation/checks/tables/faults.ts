import type { StaticFault as Case } from "../../self-test/fault.ts";

const NOTHING = "select 1";
const LOOSE = `create table shop.loose (tenant_id text not null, id uuid not null, primary key (tenant_id, id));
  alter table shop.loose owner to $owner`;
const PARTS = `create table shop.entry (tenant_id text not null, day date not null, primary key (tenant_id, day)) partition by range (day);
  create table shop.entry_1 partition of shop.entry for values from ('2026-01-01') to ('2027-01-01');
  alter table shop.entry owner to $owner;
  alter table shop.entry enable row level security;
  alter table shop.entry force row level security;
  create policy wall on shop.entry using (tenant_id = current_setting('shop.tenant', true));
  grant select on shop.entry to $app`;
const HOSTILE = '"O\'; drop table ""x"" --\u{1F512} select"';

export const TABLE_CASES: readonly Case[] = [
  { check: "table-rls-off", plant: `${LOOSE};\n grant select on shop.loose to $app`, silent: NOTHING },
  {
    check: "table-rls-off",
    title: "a table whose name is an attack",
    plant: `create table shop.${HOSTILE} (tenant_id text);\n grant select on shop.${HOSTILE} to $app`,
    silent: `create table shop.${HOSTILE} (id text);\n grant select on shop.${HOSTILE} to $app`,
  },
  {
    check: "table-rls-off",
    title: "reached by one column, through a chain of groups",
    plant: `${LOOSE};
      create role $app_a noinherit;
      create role $app_b noinherit;
      grant $app_a to $app_b;
      grant $app_b to $app;
      grant select (id) on shop.loose to $app_a`,
    silent: "create table shop.loose (id uuid)",
  },
  {
    check: "table-policies-idle",
    plant: "alter table shop.customer disable row level security",
    silent: "alter table shop.customer no force row level security",
  },
  {
    check: "table-not-forced",
    plant: "alter table shop.customer no force row level security",
    silent: LOOSE,
  },
  {
    check: "table-no-policy",
    plant: `${LOOSE};\n alter table shop.loose enable row level security;\n grant select on shop.loose to $app`,
    silent: `${LOOSE};\n alter table shop.loose enable row level security`,
  },
  {
    check: "table-undeclared",
    plant: "create table shop.country (code text);\n grant select on shop.country to $app",
    silent: "create table shop.country (code text)",
  },
  {
    check: "table-undeclared",
    title: "a part whose policy asks for its whole",
    plant: "create table shop.line (customer_id uuid);\n grant select on shop.line to $app",
    silent: `create table shop.line (customer_id uuid);
      alter table shop.line enable row level security;
      create policy wall on shop.line as restrictive using (exists (select from shop.customer c where c.customer_id = line.customer_id));
      grant select on shop.line to $app`,
  },
  {
    check: "table-undeclared",
    title: "declared global, or not to be entered",
    plant: "create table shop.rate (code text);\n grant select on shop.rate to public",
    silent: `create table shop.country (code text);
      grant select on shop.country to $app;
      create schema closed;
      create table closed.other (a int);
      grant select on closed.other to $app`,
    settings: { schemas: [], globalTables: [{ table: "shop.customer", reason: "only to have one" }] },
    planted: (catalog) => ({ ...catalog, relations: only(catalog.relations, "shop") }),
    silenced: (catalog) => ({
      ...catalog,
      relations: new Map([...only(catalog.relations, "shop", "closed")].filter(([, { name }]) => name !== "country")),
    }),
  },
  {
    check: "table-global-writable",
    plant: "create table shop.country (code text);\n grant select, update on shop.country to $app",
    silent: "create table shop.country (code text);\n grant select on shop.country to $app",
    settings: { globalTables: [{ table: "shop.country", reason: "countries are everybody's" }] },
  },
  { check: "table-child-open", plant: `${PARTS};\n grant select on shop.entry_1 to $app`, silent: PARTS },
  {
    check: "table-child-open",
    title: "an inheriting table",
    plant: "create table shop.vip () inherits (shop.customer);\n grant select on shop.vip to $app",
    silent: "create table shop.vip () inherits (shop.customer)",
  },
  {
    check: "table-child-unwalled",
    plant: PARTS,
    silent: `${PARTS};\n alter table shop.entry_1 enable row level security`,
  },
  {
    check: "tenant-nullable",
    plant: "create table shop.loose (tenant_id text)",
    silent: "create domain shop.tenant_ref text not null;\n create table shop.loose (tenant_id shop.tenant_ref)",
  },
  {
    check: "tenant-no-default",
    plant: "create table shop.loose (tenant_id uuid not null)",
    silent:
      "create domain shop.tenant_ref text default current_setting('shop.tenant');\n create table shop.loose (tenant_id shop.tenant_ref)",
  },
  {
    check: "tenant-constant-default",
    plant: "create table shop.loose (tenant_id text not null default 'acme')",
    silent: "create table shop.loose (tenant_id text not null default current_setting('shop.tenant'))",
  },
  {
    check: "tenant-type-leaky",
    plant: "create type shop.who as enum ('a', 'b');\n create table shop.loose (tenant_id shop.who)",
    silent: `create domain shop.ref as varchar(50);
      create table shop.a (tenant_id shop.ref);
      create table shop.b (tenant_id uuid);
      create table shop.c (tenant_id bigint)`,
  },
  {
    check: "tenant-not-indexed",
    plant: "create table shop.loose (id uuid primary key, tenant_id text not null)",
    silent:
      "create table shop.loose (id uuid primary key, tenant_id text not null);\n create index on shop.loose (tenant_id, id)",
  },
  {
    check: "tenant-movable",
    plant: NOTHING,
    silent: "revoke update on shop.customer from $app;\n grant update (email) on shop.customer to $app",
  },
  {
    check: "tenant-movable",
    title: "by a right on the column",
    plant: "revoke update on shop.customer from $app;\n grant update (tenant_id, email) on shop.customer to $app",
    silent: "revoke update on shop.customer from $app",
  },
  {
    check: "tenant-second-column",
    plant: "alter table shop.customer add column shared_with_tenant_id text",
    silent: `alter table shop.customer add column shared_with_tenant_id text;
      create policy share on shop.customer for select using (shared_with_tenant_id = current_setting('shop.tenant'))`,
  },
  {
    check: "tenant-second-column",
    title: "by its foreign key",
    plant: `create table shop.tenant (id text primary key);
      alter table shop.customer add foreign key (tenant_id) references shop.tenant;
      alter table shop.customer add column broker text references shop.tenant`,
    silent: "create table shop.tenant (id text primary key);\n alter table shop.customer add column broker text",
  },
  {
    check: "privilege-truncate",
    plant: "grant truncate on shop.customer to $app",
    silent: "grant truncate on shop.customer to $owner",
  },
  {
    check: "privilege-references",
    plant: "grant references (email) on shop.customer to $app",
    silent: "grant select (email) on shop.customer to $app",
  },
  {
    check: "privilege-trigger",
    plant: "grant trigger on shop.customer to $app",
    silent: "create table shop.country (code text);\n grant trigger on shop.country to $app",
  },
  {
    check: "privilege-maintain",
    // PostgreSQL 17 and later know the right; before, the catalog is told of it.
    plant: NOTHING,
    silent: NOTHING,
    planted: (catalog) => ({
      ...catalog,
      relations: new Map(
        [...catalog.relations].map(([oid, relation]) => [
          oid,
          relation.schema === "shop"
            ? {
                ...relation,
                grants: [...relation.grants, { grantee: "public", privilege: "MAINTAIN", grantable: false }],
              }
            : relation,
        ]),
      ),
    }),
  },
  {
    check: "privilege-public",
    plant: "grant select on shop.customer to public",
    silent: "create table shop.country (code text);\n grant select on shop.country to public",
  },
  {
    check: "privilege-grantable",
    plant: "grant select on shop.customer to $app with grant option",
    silent: "grant select on shop.customer to $owner with grant option",
  },
  {
    check: "materialized-view-open",
    plant: `create view shop.mails as select email from shop.customer;
      create materialized view shop.mail_count as select count(*) from shop.mails;
      grant select on shop.mail_count to $app`,
    silent: `create materialized view shop.mail_count as select count(*) from shop.customer;
      create materialized view shop.days as select generate_series(1, 7) as day;
      grant select on shop.days to $app`,
  },
  {
    check: "foreign-table-open",
    plant: `create foreign data wrapper $app_w;
      create server $app_s foreign data wrapper $app_w;
      create foreign table shop.far (tenant_id text, body text) server $app_s;
      grant select on shop.far to $app`,
    silent: `create foreign data wrapper $app_w;
      create server $app_s foreign data wrapper $app_w;
      create foreign table shop.far (tenant_id text, body text) server $app_s`,
  },
  {
    check: "table-unlogged",
    plant: "create unlogged table shop.copy (tenant_id text)",
    silent: "create unlogged table shop.copy (id text)",
  },
  {
    check: "sequence-readable",
    plant: "create sequence shop.numbers;\n grant select on sequence shop.numbers to $app",
    silent: "create sequence shop.numbers;\n grant usage on sequence shop.numbers to $app",
  },
  {
    check: "sequence-settable",
    plant: "create sequence shop.numbers;\n grant update on sequence shop.numbers to public",
    silent: "create sequence shop.numbers;\n grant usage on sequence shop.numbers to public",
  },
  {
    check: "sequence-shared",
    plant: "alter table shop.customer add column number bigint generated always as identity",
    silent: "alter table shop.customer add column number bigint default 0",
  },
  {
    check: "large-objects-open",
    plant:
      "select lo_create(0);\n update pg_catalog.pg_largeobject_metadata set lomowner = (select oid from pg_roles where rolname = '$app')",
    silent: "select lo_create(0)",
  },
  {
    check: "large-object-column",
    plant: "alter table shop.customer add column photo oid",
    silent: "alter table shop.customer add column photo bytea",
  },
  {
    check: "trigger-copies",
    plant: `create table shop.customer_history (at timestamptz, row jsonb);
      create function shop.keep() returns trigger language plpgsql as $$begin insert into shop.customer_history values (now(), to_jsonb(old)); return new; end$$;
      create trigger keep after update on shop.customer for each row execute function shop.keep()`,
    silent: `create table shop.customer_history (at timestamptz, row jsonb);
      create function shop.keep() returns trigger language plpgsql as $$begin perform 1 as customer_history_2; return new; end$$;
      create trigger keep after update on shop.customer for each row execute function shop.keep()`,
  },
  {
    check: "trigger-copies",
    title: "a function whose text may not be read",
    plant: `create table shop.other (a int);
      create function shop.keep() returns trigger language plpgsql as 'begin return new; end';
      create trigger keep after update on shop.customer for each row execute function shop.keep()`,
    silent: NOTHING,
    planted: (catalog) => ({
      ...catalog,
      routines: new Map([...catalog.routines].map(([oid, routine]) => [oid, { ...routine, source: undefined }])),
    }),
  },
];

function only<Named extends { readonly schema: string }>(
  all: ReadonlyMap<number, Named>,
  ...schemas: readonly string[]
) {
  return new Map([...all].filter(([, { schema }]) => schemas.includes(schema)));
}
