-- A platform for online shops: one database, some thousand shops. Orders are partitioned by month and prices by
-- currency, reports come from a materialized view, and old rows go to tables that inherit. See README.md.

create role shop_owner nologin;
create role shop_app login;
create role shop_analyst login;

create schema shop authorization shop_owner;
set role shop_owner;
grant usage on schema shop to shop_app, shop_analyst;

create table shop.merchant (
  tenant_id uuid primary key default gen_random_uuid(),
  name      text not null,
  country   text not null
);

create table shop.customer (
  customer_id uuid primary key default gen_random_uuid(),
  tenant_id   uuid not null references shop.merchant,
  email       text not null,
  name        text not null,
  unique (email)
);

create table shop.product (
  product_id uuid primary key default gen_random_uuid(),
  tenant_id  uuid not null references shop.merchant,
  sku        text not null,
  title      text not null,
  stock      integer not null default 0 check (stock >= 0),
  constraint product_sku unique (sku)
);

create table shop.price (
  tenant_id  uuid not null,
  product_id uuid not null references shop.product,
  currency   text not null,
  cents      bigint not null,
  primary key (product_id, currency)
) partition by list (currency);
create table shop.price_eur partition of shop.price for values in ('EUR');
create table shop.price_other partition of shop.price default;

create sequence shop.order_number;
create table shop."order" (
  order_id    bigint not null default nextval('shop.order_number'),
  tenant_id   uuid not null references shop.merchant,
  customer_id uuid not null references shop.customer on delete cascade,
  placed_on   date not null default current_date,
  state       text not null default 'placed',
  primary key (order_id, placed_on)
) partition by range (placed_on);
create table shop.order_2025 partition of shop."order" for values from ('2025-01-01') to ('2026-01-01');
create table shop.order_2026 partition of shop."order" for values from ('2026-01-01') to ('2027-01-01');
create table shop.order_rest partition of shop."order" default;

-- The tenant is the order's.
create table shop.order_line (
  line_id    bigint generated always as identity primary key,
  order_id   bigint not null,
  placed_on  date not null,
  product_id uuid not null references shop.product,
  quantity   integer not null check (quantity > 0),
  cents      bigint not null,
  foreign key (order_id, placed_on) references shop."order" on delete cascade
);

create table shop.stock_change (
  tenant_id  uuid not null,
  change_id  bigint generated always as identity,
  product_id uuid not null,
  difference integer not null,
  at         timestamptz not null default now()
);
-- Moved here after a year.
create table shop.stock_change_old () inherits (shop.stock_change);

create table shop.currency (code text primary key, digits integer not null);

create function shop.note_stock() returns trigger language plpgsql as $$
begin
  insert into shop.stock_change (tenant_id, product_id, difference) values (new.tenant_id, new.product_id, new.stock - old.stock);
  return null;
end $$;
create trigger product_stock after update of stock on shop.product for each row
  when (new.stock is distinct from old.stock) execute function shop.note_stock();

create view shop.open_order as
  select o.tenant_id, o.order_id, o.placed_on, c.name from shop."order" o join shop.customer c using (customer_id)
   where o.state = 'placed';
create view shop.open_order_count as select tenant_id, count(*) as orders from shop.open_order group by tenant_id;
create materialized view shop.sales as
  select o.tenant_id, date_trunc('month', o.placed_on)::date as month, sum(l.quantity * l.cents) as cents
    from shop."order" o join shop.order_line l using (order_id, placed_on) group by 1, 2;

do $$
declare t text;
begin
  foreach t in array array['merchant', 'customer', 'product', 'price', 'order'] loop
    execute format('alter table shop.%I enable row level security', t);
    execute format('create policy tenant on shop.%I using (tenant_id = current_setting(''shop.tenant'', true)::uuid)', t);
  end loop;
end $$;

grant select, insert, update, delete, truncate on all tables in schema shop to shop_app;
grant usage, select on all sequences in schema shop to shop_app;
grant select on all tables in schema shop to shop_analyst;
reset role;
