/**
 * Code of `docs/guides/embedding.md`, as it stands there; `embedding.test.ts` compares and runs it.
 *
 * @module
 */
import { type Kysely, sql } from "kysely";
import { type Migration, sealColumns, wall } from "ringwall/migrations";
import { NOTE } from "./tables.ts";

const walls: Migration = {
  name: "0001_walls",
  async up(db: Kysely<unknown>): Promise<void> {
    await sql`alter table tracker.ticket drop constraint ticket_author_fkey`.execute(db);
    for (const [table, id] of [["app_user", "user_id"] as const, ["ticket", "ticket_id"] as const]) {
      const name = sql.table(`tracker.${table}`);
      await sql`alter table ${name} rename column company to tenant_id`.execute(db);
      await sql`
        alter table ${name}
          alter tenant_id type ringwall.tenant_ref,
          alter tenant_id set default ringwall.tenant(),
          drop constraint ${sql.id(`${table}_pkey`)},
          add primary key (tenant_id, ${sql.id(id)})`.execute(db);
    }
    await sql`
      alter table tracker.ticket
        add foreign key (tenant_id, author) references tracker.app_user (tenant_id, user_id)`.execute(db);
    await wall(db, "tracker.ticket", { tracker_app: ["select", "insert", "delete"] });
    await sql`grant usage on schema tracker to tracker_app`.execute(db);
  },
};

const people: Migration = {
  name: "0002_people",
  async up(db: Kysely<unknown>): Promise<void> {
    await sql`
      alter table tracker.app_user
        add column ringwall_user uuid,
        add unique (tenant_id, ringwall_user),
        drop constraint app_user_email_key,
        add unique (tenant_id, email),
        drop column password`.execute(db);
    await wall(db, "tracker.app_user", { tracker_app: ["select"] });
    await sql`grant update (ringwall_user) on tracker.app_user to tracker_app`.execute(db);
  },
};

const notes: Migration = {
  name: "0003_notes",
  async up(db: Kysely<unknown>): Promise<void> {
    await sql`
      create table tracker.note (
        tenant_id ringwall.tenant_ref not null default ringwall.tenant(),
        note_id   uuid not null,
        ticket_id uuid not null,
        primary key (tenant_id, note_id),
        foreign key (tenant_id, ticket_id) references tracker.ticket (tenant_id, ticket_id) on delete cascade
      )`.execute(db);
    await wall(db, "tracker.note", { tracker_app: ["select", "insert"] });
    await sealColumns(db, NOTE);
  },
};

export const APPLICATION = "tracker";
export const MIGRATIONS = [walls, people, notes];
