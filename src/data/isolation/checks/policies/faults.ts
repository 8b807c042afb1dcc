import type { StaticFault as Case } from "../../self-test/fault.ts";

const CONTEXT = "(select nullif(current_setting('shop.tenant', true), ''))";
/** Takes the base's policies away, for others to stand there. */
const BARE = "drop policy wall on shop.customer;\ndrop policy app on shop.customer;\n";
const policy = (text: string): string => `create policy p on shop.customer ${text};\n`;
const FUNCTION = (options: string, body = "select nullif(current_setting('shop.tenant', true), '')"): string =>
  `create function shop.me() returns text language sql ${options} as $body$${body}$body$;\n`;
const PINNED = "stable parallel safe set search_path = pg_catalog, pg_temp";

/** Each check of policies: what it has to find, and what it must be silent about. */
export const POLICY_CASES: readonly Case[] = [
  {
    check: "policy-wall-not-implied",
    plant: `${BARE}${policy(`using (tenant_id = ${CONTEXT} or email like '%@public') with check (tenant_id = ${CONTEXT})`)}`,
    silent: `${BARE}${policy(`using (tenant_id = ${CONTEXT} and email like '%@public')`)}`,
    findings: 3,
  },
  {
    check: "policy-wall-not-implied",
    title: "reached by switching to another role",
    plant: `create role "$app.b" nologin;\n grant "$app.b" to $app;\n grant usage on schema shop to "$app.b";\n
      grant select on shop.customer to "$app.b";\n alter policy wall on shop.customer to $app;\n create policy q on shop.customer for select to "$app.b" using (true);\n`,
    silent: `create role "$app.b" nologin;\n grant "$app.b" to $app;\n grant usage on schema shop to "$app.b";\n
      grant select on shop.customer to "$app.b";\n create policy q on shop.customer for select to "$app.b" using (true);\n`,
  },
  {
    check: "policy-not-understood",
    plant: `${BARE}create function shop.mine(t text) returns boolean language plpgsql stable as $body$ begin if t is null then return false; end if; return true; end $body$;\n${policy("using (shop.mine(tenant_id))")}`,
    silent: `${BARE}create function shop.mine(t text) returns boolean language sql stable as $body$ select t = nullif(current_setting('shop.tenant', true), '') $body$;\n${policy("using (shop.mine(tenant_id))")}`,
  },
  {
    check: "policy-null-tenant-open",
    plant: `${BARE}alter table shop.customer drop constraint customer_pkey;\nalter table shop.customer alter tenant_id drop not null;\n${policy(`using (tenant_id = ${CONTEXT} or tenant_id is null)`)}`,
    silent: `${BARE}${policy(`using (tenant_id = ${CONTEXT} or tenant_id is null)`)}`,
  },
  {
    check: "policy-open-without-context",
    plant: `${BARE}${policy(`using (tenant_id = coalesce(${CONTEXT}, tenant_id))`)}`,
    silent: `${BARE}${policy(`using (tenant_id = coalesce(${CONTEXT}, 'nobody') and ${CONTEXT} is not null)`)}`,
  },
  {
    check: "policy-wall-permissive",
    plant: `drop policy wall on shop.customer;\nalter policy app on shop.customer using (tenant_id = ${CONTEXT});\n`,
    silent: "select 1;\n",
  },
  {
    check: "policy-permissive-widens",
    plant: `${BARE}${policy(`using (tenant_id = ${CONTEXT})`)}create policy q on shop.customer for select using (email is not null);\n`,
    silent: "create policy q on shop.customer for select using (email is not null);\n",
  },
  {
    check: "policy-check-weaker",
    plant: `${BARE}${policy(`using (tenant_id = ${CONTEXT}) with check (true)`)}`,
    silent: `${BARE}${policy(`using (tenant_id = ${CONTEXT})`)}`,
  },
  {
    check: "policy-some-commands",
    plant: `drop policy wall on shop.customer;\ncreate policy wall on shop.customer as restrictive for select using (tenant_id = ${CONTEXT});\n`,
    silent: `create policy more on shop.customer as restrictive for select using (tenant_id = ${CONTEXT});\n`,
  },
  {
    check: "policy-wall-names-roles",
    plant: "alter policy wall on shop.customer to $app;\n",
    silent: "select 1;\n",
  },
  {
    check: "policy-none-for-role",
    plant: "alter policy app on shop.customer to $owner;\n",
    silent: "select 1;\n",
  },
  {
    check: "policy-always-true",
    plant: `drop policy wall on shop.customer;\n`,
    silent: "create policy q on shop.customer using (1 = 1);\n",
  },
  {
    check: "policy-always-true",
    title: "in other words",
    plant: `${BARE}${policy("for select using (tenant_id = tenant_id or email is null or email is not null)")}`,
    silent: `${BARE}${policy("for select using (false)")}`,
  },
  {
    check: "policy-client-setting",
    plant: `${BARE}${policy("using (tenant_id = (current_setting('request.jwt.claims', true)::json ->> 'tenant'))")}`,
    silent: policy("using (email = (current_setting('request.jwt.claims', true)::json ->> 'email'))"),
  },
  {
    check: "policy-user-claims",
    plant: policy(
      "using (tenant_id = ((current_setting('request.jwt.claims', true)::json -> 'user_metadata') ->> 'tenant'))",
    ),
    silent: policy(
      "using (tenant_id = ((current_setting('request.jwt.claims', true)::json -> 'app_metadata') ->> 'tenant'))",
    ),
  },
  {
    check: "policy-setting-missing-ok",
    plant: policy("using (tenant_id = current_setting('shop.tenant'))"),
    silent: policy("using (tenant_id = current_setting('shop.tenant', true))"),
  },
  {
    check: "policy-setting-empty-cast",
    plant: policy("using (customer_id = (select current_setting('shop.customer', true))::uuid)"),
    silent: policy("using (customer_id = nullif(current_setting('shop.customer', true), '')::uuid)"),
  },
  {
    check: "policy-tenant-literal",
    plant: `${BARE}${policy(`using (tenant_id in (${CONTEXT}, 'demo') or tenant_id = 'demo')`)}`,
    silent: policy("using (tenant_id = 'demo')"),
  },
  {
    check: "policy-wrong-column",
    plant: `${BARE}${policy(`using (email = ${CONTEXT})`)}`,
    silent: policy(`using (email = ${CONTEXT})`),
  },
  {
    check: "policy-mutable-column",
    plant: `${BARE}${policy("using (email = current_user)")}`,
    silent: policy("using (email = current_user)"),
  },
  {
    check: "policy-not-leakproof",
    plant: `create table shop.n (tenant_id numeric not null);\nalter table shop.n enable row level security;\ncreate policy p on shop.n using (tenant_id = 1);\n`,
    silent: `create table shop.n (tenant_id bigint not null);\nalter table shop.n enable row level security;\ncreate policy p on shop.n using (tenant_id = 1);\n`,
  },
  {
    check: "policy-subquery-unwalled",
    plant: `create table shop.member (tenant_id text not null, name text);\ngrant select, insert on shop.member to $app;\n${policy("using (exists (select from shop.member m where m.tenant_id = customer.tenant_id))")}`,
    silent: `create table shop.member (tenant_id text not null, name text);\nalter table shop.member enable row level security;\ncreate policy p on shop.member using (tenant_id = ${CONTEXT});\ngrant select, insert on shop.member to $app;\n${policy("using (exists (select from shop.member m where m.tenant_id = customer.tenant_id))")}`,
  },
  {
    check: "policy-recursion",
    plant: policy("using (exists (select from shop.customer c where c.email = customer.email))"),
    silent: policy("using (email is not null)"),
  },
  {
    check: "context-function-immutable",
    plant: `${FUNCTION("immutable")}${policy("using (tenant_id = (select shop.me()))")}`,
    silent: `${FUNCTION("stable")}${policy("using (tenant_id = (select shop.me()))")}`,
  },
  {
    check: "context-function-volatile",
    plant: `${FUNCTION("volatile")}${policy("using (tenant_id = (select shop.me()))")}`,
    silent: `${FUNCTION("stable")}${policy("using (tenant_id = (select shop.me()))")}`,
  },
  {
    check: "context-function-parallel",
    plant: `${FUNCTION("stable")}${policy("using (tenant_id = (select shop.me()))")}`,
    silent: `${FUNCTION(PINNED)}${policy("using (tenant_id = (select shop.me()))")}`,
  },
  {
    check: "context-function-search-path",
    plant: `${FUNCTION("stable")}${policy("using (tenant_id = (select shop.me()))")}`,
    silent: `${FUNCTION(PINNED)}${policy("using (tenant_id = (select shop.me()))")}`,
  },
  {
    check: "context-function-replaceable",
    plant: `${FUNCTION(PINNED)}alter function shop.me() owner to $app;\n${policy("using (tenant_id = (select shop.me()))")}`,
    silent: `${FUNCTION(PINNED)}${policy("using (tenant_id = (select shop.me()))")}`,
  },
  {
    check: "policy-function-per-row",
    plant: `${FUNCTION(PINNED)}${policy("using (tenant_id = shop.me())")}`,
    silent: `${FUNCTION(PINNED)}${policy("using (tenant_id = (select shop.me()))")}`,
  },
];
