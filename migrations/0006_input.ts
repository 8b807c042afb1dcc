import { sql } from "kysely";
import type { Migration } from "./migration.ts";
import { wall } from "./wall.ts";

/** Idempotency keys and velocity totals, both written in the transaction of the act they belong to. */
export const migration: Migration = {
  name: "0006_input",
  async up(db) {
    // status is null only inside the transaction that claimed the key: a committed row has its outcome.
    await sql`
      create table ringwall.idempotency (
        tenant_id    text        not null default ringwall.tenant() check (tenant_id <> ''),
        actor        text        not null check (length(actor) between 1 and 200),
        key          text        not null check (length(key) between 1 and 255),
        request_hash bytea       not null check (octet_length(request_hash) = 32),
        status       integer     check (status between 200 and 299),
        body         text        check (length(body) <= 16384),
        created_at   timestamptz not null,
        primary key (tenant_id, actor, key),
        check ((status is null) = (body is null))
      )`.execute(db);
    await sql`create index idempotency_by_age on ringwall.idempotency (tenant_id, created_at)`.execute(db);

    await sql`
      create table ringwall.velocity (
        tenant_id text           not null default ringwall.tenant() check (tenant_id <> ''),
        actor     text           not null check (length(actor) between 1 and 200),
        scope     text           not null check (length(scope) between 1 and 100),
        starts_at timestamptz    not null,
        sum       numeric(38, 0) not null check (sum >= 0),
        count     integer        not null check (count > 0),
        primary key (tenant_id, actor, scope)
      )`.execute(db);

    // The host application's own login reaches both: its acts are the ones that are counted.
    await wall(db, "idempotency", {
      ringwall_app: ["select", "insert", "update", "delete"],
      ringwall_client: ["select", "insert", "update", "delete"],
    });
    await wall(db, "velocity", {
      ringwall_app: ["select", "insert", "update"],
      ringwall_client: ["select", "insert", "update"],
    });
  },
};
