import { sql } from "kysely";
import type { Migration } from "./migration.ts";
import { wall } from "./wall.ts";

/**
 * Wrapped tenant and service keys. The highest version of a purpose is the current one. No foreign key to the register:
 * the platform's own keys are there before its row is.
 */
export const migration: Migration = {
  name: "0002_keys",
  async up(db) {
    await sql`
      create table ringwall.tenant_key (
        tenant_id  text        not null default ringwall.tenant() check (tenant_id <> ''),
        purpose    text        not null check (purpose ~ '^[a-z][a-z-]{1,31}$'),
        version    integer     not null check (version between 1 and 64),
        master_id  text        not null check (length(master_id) between 1 and 300),
        wrapped    bytea       not null check (octet_length(wrapped) between 32 and 4096),
        commitment bytea       not null check (octet_length(commitment) = 32),
        created_at timestamptz not null default now(),
        primary key (tenant_id, purpose, version)
      )`.execute(db);
    // No UPDATE and no DELETE: a version is written once, and neither a bug nor a stolen application role can lose one.
    await wall(db, "tenant_key", { ringwall_app: ["select", "insert"] });
  },
};
