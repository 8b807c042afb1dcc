import { sql } from "kysely";
import type { Migration } from "./migration.ts";
import { wall } from "./wall.ts";

/** Secrets by name, and their versions. The platform's rows are the global scope. */
export const migration: Migration = {
  name: "0003_secrets",
  async up(db) {
    await sql`
      create table ringwall.secret (
        tenant_id       text        not null default ringwall.tenant() check (tenant_id <> ''),
        name            text        not null check (name ~ '^[a-z0-9_-]{1,64}(/[a-z0-9_-]{1,64}){0,7}$'),
        latest_version  integer     not null default 0 check (latest_version >= 0),
        current_version integer     check (current_version between 1 and latest_version),
        pending_version integer     check (pending_version between 1 and latest_version and pending_version > current_version),
        created_at      timestamptz not null default now(),
        primary key (tenant_id, name)
      )`.execute(db);
    await sql`
      create table ringwall.secret_version (
        tenant_id  text        not null default ringwall.tenant() check (tenant_id <> ''),
        name       text        not null,
        version    integer     not null check (version > 0),
        sealed     bytea       not null check (octet_length(sealed) between 98 and 65634
                                               and substring(sealed from 1 for 2) = '\\x0101'::bytea),
        expires_at timestamptz,
        created_at timestamptz not null default now(),
        primary key (tenant_id, name, version),
        foreign key (tenant_id, name) references ringwall.secret (tenant_id, name)
      )`.execute(db);
    for (const pointer of ["current_version", "pending_version"] as const) {
      await sql`
        alter table ringwall.secret add foreign key (tenant_id, name, ${sql.id(pointer)})
          references ringwall.secret_version (tenant_id, name, version)`.execute(db);
    }
    await wall(db, "secret", { ringwall_app: ["select", "insert"] });
    await sql`grant update (latest_version, current_version, pending_version) on ringwall.secret to ringwall_app`.execute(
      db,
    );
    // A version is written once. Which one is in use is said by the secret's row alone, so that two are never current.
    await wall(db, "secret_version", { ringwall_app: ["select", "insert"] });
  },
};
