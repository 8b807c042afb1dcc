import { CONTEXT } from "../base.ts";
import { type Fault, planting } from "../fault.ts";

const wall = (table: string, rest: string): string =>
  planting`drop policy wall on shop.${table};\ncreate policy wall on shop.${table} as restrictive ${rest};\n`;
const only = (table: string, commands: readonly string[]): string =>
  planting`drop policy wall on shop.${table};\n${commands
    .map(
      (command) =>
        planting`create policy "wall ${command}" on shop.${table} as restrictive for ${command} ${command === "insert" ? "with check" : "using"} (tenant_id = ${CONTEXT});\n`,
    )
    .join("")}`;
const walled = (table: string, condition = planting`tenant_id = ${CONTEXT}`): string => planting`
alter table shop.${table} enable row level security;
alter table shop.${table} force row level security;
create policy wall on shop.${table} as restrictive using (${condition});
create policy app on shop.${table} using (true);
grant select, insert, update, delete on shop.${table} to $app;
`;
const held = (condition: string): string => wall("customer", planting`using (${condition})`);

const HOSTILE = (how: string): string => {
  const table = planting`shop."x""; drop table shop.line; --'$$"`;
  return planting`create type shop."k""; ind" as enum ('a''; drop table shop.line; --', 'b');
create table ${table} (tenant_id text not null, "id'"") --" uuid not null, "of kind" shop."k""; ind" not null, primary key (tenant_id, "id'"") --"));
create policy wall on ${table} as restrictive using (tenant_id = ${CONTEXT});
create policy app on ${table} using (true);
grant select, insert, update, delete on ${table} to $app;
alter table ${table} ${how} row level security;
`;
};

/** Ways to read and write another tenant's rows of a table. */
export const ROW_FAULTS: readonly Fault[] = [
  { check: "probe-own-rows", plant: "alter policy app on shop.event using (false);\n" },
  {
    check: "probe-read",
    plant: "drop policy wall on shop.customer;\n",
    silent: "drop policy app on shop.customer;\ncreate policy app2 on shop.customer using (email is not null);\n",
  },
  {
    check: "probe-read",
    title: "one permissive policy too many",
    plant: planting`drop policy wall on shop.customer;\nalter policy app on shop.customer using (tenant_id = ${CONTEXT});\ncreate policy more on shop.customer for select using (active);\n`,
  },
  {
    check: "probe-read",
    title: "names that would end a statement",
    plant: HOSTILE("disable"),
    silent: HOSTILE("enable"),
  },
  { check: "probe-read-by-key", plant: "alter table shop.customer disable row level security;\n" },
  {
    check: "probe-join",
    plant: held(planting`tenant_id = ${CONTEXT} or true`),
    silent: held(planting`tenant_id = ${CONTEXT} and true`),
  },
  {
    check: "probe-subquery",
    plant: "alter table shop.customer owner to $app;\nalter table shop.customer no force row level security;\n",
    silent: "alter table shop.customer owner to $app;\n",
  },
  { check: "probe-exists", plant: "alter role $app bypassrls;\n" },
  {
    check: "probe-count",
    plant: held(planting`tenant_id = ${CONTEXT} or not active`),
    silent: held(planting`tenant_id = ${CONTEXT} and active is not null`),
  },
  { check: "probe-lock-rows", plant: "drop policy wall on shop.purchase;\n" },
  { check: "probe-copy", plant: "drop policy wall on shop.line;\n" },
  {
    check: "probe-leaky-filter",
    plant: planting`create view shop.mine as select tenant_id, email from shop.customer where tenant_id = ${CONTEXT};\ngrant select on shop.customer to $other;\nalter view shop.mine owner to $other;\ngrant select on shop.mine to $app;\n`,
    silent: planting`create view shop.mine with (security_barrier = true) as select tenant_id, email from shop.customer where tenant_id = ${CONTEXT};\ngrant select on shop.customer to $other;\nalter view shop.mine owner to $other;\ngrant select on shop.mine to $app;\n`,
  },
  {
    check: "probe-explain",
    plant: planting`create table shop.plain (tenant_id text not null, plain_id uuid not null, text text, primary key (plain_id));\n${walled("plain")}`,
    silent: planting`create table shop.plain (tenant_id text not null, plain_id uuid not null, text text, primary key (tenant_id, plain_id));\n${walled("plain")}`,
  },
  {
    check: "probe-update",
    plant: only("line", ["select", "insert", "delete"]),
    silent: only("line", ["select", "insert", "delete", "update"]),
  },
  {
    check: "probe-delete",
    plant: only("line", ["select", "insert", "update"]),
    silent: only("line", ["select", "insert", "delete", "update"]),
  },
  { check: "probe-returning", plant: "alter table shop.line disable row level security;\n" },
  { check: "probe-merge", plant: held("true") },
  {
    check: "probe-insert-for-other",
    plant: only("event", ["select", "delete", "update"]),
    silent: only("event", ["select", "insert", "delete", "update"]),
  },
  {
    check: "probe-insert-without-tenant",
    plant: planting`create table shop.note (tenant_id text, note_id uuid not null, text text, unique (tenant_id, note_id));\n${walled("note", planting`tenant_id = ${CONTEXT} or tenant_id is null`)}`,
    silent: planting`create table shop.note (tenant_id text, note_id uuid not null, text text, unique (tenant_id, note_id));\n${walled("note")}`,
  },
  {
    check: "probe-move-row",
    plant: wall("event", planting`using (tenant_id = ${CONTEXT}) with check (true)`),
    silent: wall("event", planting`using (tenant_id = ${CONTEXT})`),
  },
  {
    check: "probe-truncate",
    plant: "grant truncate on shop.line to $app;\n",
    silent: "grant truncate on shop.line to $other;\n",
  },
];

const child = (reference: string): string =>
  planting`create table shop.visit (tenant_id text not null, visit_id uuid not null, customer_id uuid not null, primary key (tenant_id, visit_id), ${reference});\n${walled("visit")}`;
const KEY = "alter table shop.customer add unique (customer_id);\n";

/** Keys and references that do not know tenants. */
export const KEY_FAULTS: readonly Fault[] = [
  {
    check: "probe-on-conflict",
    plant: "create unique index by_email on shop.customer (email);\n",
    silent: "create unique index by_email on shop.customer (email, tenant_id);\n",
  },
  {
    check: "probe-unique",
    plant: "alter table shop.customer add constraint one_email unique (email);\n",
    silent: "alter table shop.customer add constraint one_email unique (tenant_id, email, active);\n",
  },
  {
    check: "probe-unique",
    title: "a partial index",
    plant: "create unique index by_email on shop.customer (email) where active;\n",
  },
  {
    check: "probe-upsert",
    plant: "drop policy wall on shop.customer;\nalter table shop.customer add unique (email);\n",
    silent: "alter table shop.customer add unique (email);\n",
  },
  {
    check: "probe-reference",
    plant: planting`${KEY}${child("foreign key (customer_id) references shop.customer (customer_id)")}`,
    silent: child("foreign key (tenant_id, customer_id) references shop.customer (tenant_id, customer_id)"),
  },
  {
    check: "probe-cascade",
    plant: planting`${KEY}${child("foreign key (customer_id) references shop.customer (customer_id) on delete cascade")}`,
    silent: planting`${KEY}${child("foreign key (customer_id) references shop.customer (customer_id)")}`,
  },
];
