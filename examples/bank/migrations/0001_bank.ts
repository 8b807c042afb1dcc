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
    await columnTypes(db);
    await customers(db);
    await accounts(db);
    await transfers(db);
    await documents(db);
  },
};

/** Checks of columns that transfers read and write: a domain's is prepared once per connection, a table's by every write. */
async function columnTypes(db: Kysely<unknown>): Promise<void> {
  await sql`
    create domain bank.sealed as bytea check (get_byte(value, 0) = 1 and length(value) >= 32)`.execute(db);
  await sql`create domain bank.row_key as bytea check (length(value) = 98)`.execute(db);
  await sql`create domain bank.balance as bigint check (value >= 0)`.execute(db);
  await sql`create domain bank.amount as bigint check (value > 0)`.execute(db);
  await sql`create domain bank.currency as text check (value ~ '^[A-Z]{3}$')`.execute(db);
}

async function customers(db: Kysely<unknown>): Promise<void> {
  await sql`
    create table bank.customer (
      tenant_id   ringwall.tenant_ref not null default ringwall.tenant(),
      customer_id uuid         not null,
      user_id     uuid         not null,
      name        text         not null check (length(name) between 1 and 200),
      national_id bank.sealed  not null,
      row_key     bank.row_key not null,
      created_at  timestamptz not null default now(),
      primary key (tenant_id, customer_id),
      unique (tenant_id, user_id)
    )`.execute(db);
  await wall(db, "bank.customer", { bank_app: ["select", "insert"] });
}

async function accounts(db: Kysely<unknown>): Promise<void> {
  await sql`
    create table bank.account (
      tenant_id   ringwall.tenant_ref not null default ringwall.tenant(),
      account_id  uuid                not null,
      customer_id uuid                not null,
      owner_id    uuid                not null,
      number      bank.sealed         not null,
      row_key     bank.row_key        not null,
      balance     bank.balance        not null,
      currency    bank.currency       not null,
      created_at  timestamptz         not null default now(),
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
      tenant_id    ringwall.tenant_ref not null default ringwall.tenant(),
      transfer_id  uuid                not null,
      from_account uuid                not null,
      to_account   uuid                not null,
      amount       bank.amount         not null,
      currency     bank.currency       not null,
      user_id      uuid                not null,
      created_at   timestamptz         not null default now(),
      primary key (tenant_id, transfer_id),
      check (to_account <> from_account),
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
