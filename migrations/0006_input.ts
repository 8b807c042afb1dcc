import { sql } from "kysely";
import type { Migration } from "./migration.ts";
import { wall } from "./wall.ts";

/** Idempotency keys and velocity totals, both written in the transaction of the act they belong to. */
export const migration: Migration = {
  name: "0006_input",
  async up(db) {
    // Domains, since a domain's check is prepared once per connection and a table's by every insert.
    await sql`create domain ringwall.actor_name as text check (length(value) between 1 and 200)`.execute(db);
    await sql`create domain ringwall.idempotency_key as text check (length(value) between 1 and 255)`.execute(db);
    await sql`create domain ringwall.request_hash as bytea check (octet_length(value) = 32)`.execute(db);
    await sql`create domain ringwall.success_status as integer check (value between 200 and 299)`.execute(db);
    await sql`create domain ringwall.kept_answer as text check (length(value) <= 16384)`.execute(db);
    await sql`create domain ringwall.velocity_scope as text check (length(value) between 1 and 100)`.execute(db);
    await sql`create domain ringwall.velocity_sum as numeric(38, 0) check (value >= 0)`.execute(db);
    await sql`create domain ringwall.velocity_count as integer check (value > 0)`.execute(db);
    // A row is an act that was done: key and outcome come with it, in one insert.
    await sql`
      create table ringwall.idempotency (
        tenant_id    ringwall.tenant_ref      not null default ringwall.tenant(),
        actor        ringwall.actor_name      not null,
        key          ringwall.idempotency_key not null,
        request_hash ringwall.request_hash    not null,
        status       ringwall.success_status  not null,
        body         ringwall.kept_answer     not null,
        created_at   timestamptz              not null,
        primary key (tenant_id, actor, key)
      )`.execute(db);
    await sql`create index idempotency_by_age on ringwall.idempotency (tenant_id, created_at)`.execute(db);

    await sql`
      create table ringwall.velocity (
        tenant_id ringwall.tenant_ref     not null default ringwall.tenant(),
        actor     ringwall.actor_name     not null,
        scope     ringwall.velocity_scope not null,
        starts_at timestamptz             not null,
        sum       ringwall.velocity_sum   not null,
        count     ringwall.velocity_count not null,
        primary key (tenant_id, actor, scope)
      )`.execute(db);

    // The host application's own login reaches both: its acts are the ones that are counted.
    await wall(db, "idempotency", {
      ringwall_app: ["select", "insert", "delete"],
      ringwall_client: ["select", "insert", "delete"],
    });
    // Sweeping passes over rows that somebody else sweeps, and FOR UPDATE asks for the right to change something.
    await sql`grant update (created_at) on ringwall.idempotency to ringwall_app, ringwall_client`.execute(db);
    await wall(db, "velocity", {
      ringwall_app: ["select", "insert", "update"],
      ringwall_client: ["select", "insert", "update"],
    });
  },
};
