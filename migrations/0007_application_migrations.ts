import { type Kysely, sql } from "kysely";
import type { Migration } from "./migration.ts";

/**
 * Which migrations of host applications have run in this database.
 * global table application_version: it holds no tenant's rows, and no role but ringwall_migrate has any right to it.
 */
export const migration: Migration = {
  name: "0007_application_migrations",
  async up(db: Kysely<unknown>): Promise<void> {
    await sql`
      create table ringwall.application_version (
        application text        not null check (application ~ '^[a-z][a-z0-9_]{0,62}$'),
        number      integer     not null check (number > 0),
        name        text        not null,
        applied_at  timestamptz not null default now(),
        primary key (application, number),
        unique (application, name)
      )`.execute(db);
  },
};
