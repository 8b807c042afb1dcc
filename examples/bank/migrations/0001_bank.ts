import { type Kysely, sql } from "kysely";
import { type Migration, wall } from "ringwall/migrations";

/**
 * The bank's tables. Each is a tenant table: tenant first in every key, foreign keys that hold the tenant, one wall.
 * A sealed column takes nothing but a sealed record: plaintext cannot land in it.
 */
export const migration: Migration = {
  name: "0001_bank",
  async up(db: Kysely<unknown>): Promise<void> {
    await sql`create schema bank`.execute(db);
    await sql`grant usage on schema bank to bank_app`.execute(db);
    await customers(db);
    await accounts(db);
    await transfers(db);
    await documents(db);
  },
};

async function customers(db: Kysely<unknown>): Promise<void> {
  await sql`
    create table bank.customer (
      tenant_id   text        not null default ringwall.tenant() check (tenant_id <> ''),
      customer_id uuid        not null,
      user_id     uuid        not null,
      name        text        not null check (length(name) between 1 and 200),
      national_id bytea       not null check (get_byte(national_id, 0) = 1 and length(national_id) >= 32),
      row_key     bytea       not null check (length(row_key) = 98),
      created_at  timestamptz not null default now(),
      primary key (tenant_id, customer_id),
      unique (tenant_id, user_id)
    )`.execute(db);
  await wall(db, "bank.customer", { bank_app: ["select", "insert"] });
}

async function accounts(db: Kysely<unknown>): Promise<void> {
  await sql`
    create table bank.account (
      tenant_id   text        not null default ringwall.tenant() check (tenant_id <> ''),
      account_id  uuid        not null,
      customer_id uuid        not null,
      owner_id    uuid        not null,
      number      bytea       not null check (get_byte(number, 0) = 1 and length(number) >= 32),
      row_key     bytea       not null check (length(row_key) = 98),
      balance     bigint      not null check (balance >= 0),
      currency    text        not null check (currency ~ '^[A-Z]{3}$'),
      created_at  timestamptz not null default now(),
      primary key (tenant_id, account_id),
      foreign key (tenant_id, customer_id) references bank.customer (tenant_id, customer_id)
    )`.execute(db);
  await wall(db, "bank.account", { bank_app: ["select", "insert"] });
  await sql`create index account_owner on bank.account (tenant_id, owner_id)`.execute(db);
  // Money moves through the balance alone; nothing else of an account can be changed by the application.
  await sql`grant update (balance) on bank.account to bank_app`.execute(db);
}

async function transfers(db: Kysely<unknown>): Promise<void> {
  await sql`
    create table bank.transfer (
      tenant_id    text        not null default ringwall.tenant() check (tenant_id <> ''),
      transfer_id  uuid        not null,
      from_account uuid        not null,
      to_account   uuid        not null check (to_account <> from_account),
      amount       bigint      not null check (amount > 0),
      currency     text        not null,
      user_id      uuid        not null,
      created_at   timestamptz not null default now(),
      primary key (tenant_id, transfer_id),
      foreign key (tenant_id, from_account) references bank.account (tenant_id, account_id),
      foreign key (tenant_id, to_account) references bank.account (tenant_id, account_id)
    )`.execute(db);
  // Written once: a transfer is corrected by another transfer.
  await wall(db, "bank.transfer", { bank_app: ["select", "insert"] });
}

async function documents(db: Kysely<unknown>): Promise<void> {
  await sql`
    create table bank.document (
      tenant_id   text        not null default ringwall.tenant() check (tenant_id <> ''),
      document_id uuid        not null,
      owner_id    uuid        not null,
      title       text        not null check (length(title) between 1 and 200),
      body        text        not null check (length(body) <= 10000),
      created_at  timestamptz not null default now(),
      primary key (tenant_id, document_id)
    )`.execute(db);
  await wall(db, "bank.document", { bank_app: ["select", "insert", "delete"] });
  await sql`create index document_owner on bank.document (tenant_id, owner_id)`.execute(db);
}
