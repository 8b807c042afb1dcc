import { type Kysely, sql } from "kysely";
import { assert, RingwallError } from "../src/core/index.ts";
import { migration as tenants } from "./0001_tenants.ts";
import { migration as keys } from "./0002_keys.ts";
import { migration as secrets } from "./0003_secrets.ts";
import { migration as identity } from "./0004_identity.ts";
import { migration as audit } from "./0005_audit.ts";
import { migration as input } from "./0006_input.ts";
import { migration as applications } from "./0007_application_migrations.ts";
import { migration as rotation } from "./0008_key_rotation.ts";
import { migration as epoch } from "./0009_key_epoch.ts";
import { migration as lifecycle } from "./0010_tenant_lifecycle.ts";
import { renewTenantFunction } from "./context.ts";
import { openWallsToOwner } from "./lifecycle/tenant-tables.ts";
import type { Migration } from "./migration.ts";

/** In order. A file that is not listed here does not run. */
export const MIGRATIONS: readonly Migration[] = [
  tenants,
  keys,
  secrets,
  identity,
  audit,
  input,
  applications,
  rotation,
  epoch,
  lifecycle,
];

const LOCK = 7_400_002;
/** `security_invoker` views and the narrower rights on schema public came with it, and older ones are near their end. */
const SERVER_MAJOR_MIN = 15;
const NAME_PATTERN = /^\d{4}_[a-z_]+$/;

/** A host application's own migrations: its tables live beside Ringwall's, in the same database. */
export interface ApplicationMigrations {
  /** What they are counted under; two applications may share a database. */
  readonly application: string;
  readonly migrations: readonly Migration[];
}

/**
 * Brings the schema `ringwall` up to this version, as `ringwall_migrate`, and then the host applications' own tables.
 * One at a time under an advisory lock; each migration commits by itself, so an interrupted run is continued by the next.
 *
 * @returns The names applied now, an application's as `application/name`; empty when there was nothing to do.
 * @throws RingwallError `database.schema_mismatch` when a schema is newer, or is not ours.
 */
export async function migrate(
  db: Kysely<unknown>,
  migrations: readonly Migration[] = MIGRATIONS,
  applications: readonly ApplicationMigrations[] = [],
): Promise<readonly string[]> {
  return await db.connection().execute(async (connection) => {
    await checkServerVersion(connection);
    await sql`select pg_advisory_lock(${LOCK})`.execute(connection);
    try {
      await ensureVersionTable(connection);
      const pending = comparePrefix(await readApplied(connection), migrations);
      for (const migration of pending) await apply(connection, migration, migrations.indexOf(migration) + 1);
      await renewTenantFunction(connection);
      const applied = pending.map(({ name }) => name);
      for (const one of applications) applied.push(...(await migrateApplication(connection, one)));
      if (migrations.includes(lifecycle)) await openWallsToOwner(connection);
      return applied;
    } finally {
      await sql`select pg_advisory_unlock(${LOCK})`.execute(connection);
    }
  });
}

async function migrateApplication(
  db: Kysely<unknown>,
  { application, migrations }: ApplicationMigrations,
): Promise<readonly string[]> {
  const { rows } = await sql<{ name: string }>`
    select name from ringwall.application_version where application = ${application} order by number`.execute(db);
  const applied = rows.map(({ name }) => name);
  const differs = applied.findIndex((name, index) => migrations[index]?.name !== name);
  if (differs !== -1) {
    throw mismatch(
      `the application ${application} has run the migration ${applied[differs]}, which is not in its place in the list ` +
        "given; use the version of the application that made it, or a later one",
    );
  }
  const pending = migrations.slice(applied.length);
  for (const migration of pending) {
    assert(NAME_PATTERN.test(migration.name), "a migration is called NNNN_name");
    await db.transaction().execute(async (tx) => {
      await migration.up(tx);
      await sql`
        insert into ringwall.application_version (application, number, name)
        values (${application}, ${migrations.indexOf(migration) + 1}, ${migration.name})`.execute(tx);
    });
  }
  return pending.map(({ name }) => `${application}/${name}`);
}

/**
 * Refuses to serve on a schema that is not exactly this version's.
 * @param db - Any of Ringwall's roles.
 * @throws RingwallError `database.schema_mismatch` with the way out.
 */
export async function checkSchema(db: Kysely<unknown>, migrations: readonly Migration[] = MIGRATIONS): Promise<void> {
  await checkServerVersion(db);
  const state = await readState(db);
  if (state === "missing") throw mismatch("there is no schema ringwall in this database; run: ringwall migrate");
  if (state === "foreign") throw foreign();
  const pending = comparePrefix(await readApplied(db), migrations);
  if (pending.length > 0) {
    throw mismatch(
      `the schema is older than this version (${pending.length} migrations behind); run: ringwall migrate`,
    );
  }
  await checkHidden(db);
}

/** Refuses a PostgreSQL that is older than what Ringwall is made for. @throws RingwallError `config.invalid` */
export async function checkServerVersion(db: Kysely<unknown>): Promise<void> {
  const { rows } = await sql<{ number: number }>`
    select current_setting('server_version_num')::int as number`.execute(db);
  assert(rows[0] !== undefined, "the server says its version");
  refuseOldServer(rows[0].number);
}

/** @param number - As PostgreSQL's `server_version_num`: 150004 is 15.4. */
export function refuseOldServer(number: number): void {
  const major = Math.floor(number / 10_000);
  if (major >= SERVER_MAJOR_MIN) return;
  throw new RingwallError("config.invalid", {
    message: `this PostgreSQL is version ${major}; Ringwall needs ${SERVER_MAJOR_MIN} or later`,
  });
}

/** With the context key in the text of a function, whoever makes PostgreSQL quote that text signs for every tenant. */
async function checkHidden(db: Kysely<unknown>): Promise<void> {
  const { rows } = await sql<{ holding: string | null }>`
    select pg_catalog.obj_description('ringwall.tenant()'::regprocedure, 'pg_proc') as holding`.execute(db);
  if (rows[0]?.holding === "holding: table") return;
  throw new RingwallError("config.invalid", {
    message: "a function of an earlier version holds the context key in its text; run: ringwall migrate",
  });
}

async function readState(db: Kysely<unknown>): Promise<"missing" | "foreign" | "ours"> {
  const { rows } = await sql<{ schema: boolean; versions: boolean }>`
    select exists (select 1 from pg_namespace where nspname = 'ringwall') as schema,
           exists (select 1 from pg_class c join pg_namespace n on n.oid = c.relnamespace
                   where n.nspname = 'ringwall' and c.relname = 'schema_version' and c.relkind = 'r') as versions`.execute(
    db,
  );
  const row = rows[0];
  assert(row !== undefined, "exists answers");
  if (!row.schema) return "missing";
  return row.versions ? "ours" : "foreign";
}

async function ensureVersionTable(db: Kysely<unknown>): Promise<void> {
  const state = await readState(db);
  if (state === "foreign") throw foreign();
  if (state === "ours") return;
  await db.transaction().execute(async (tx) => {
    await sql`create schema ringwall`.execute(tx);
    await sql`
      create table ringwall.schema_version (
        number     integer     not null primary key check (number > 0),
        name       text        not null unique,
        applied_at timestamptz not null default now()
      )`.execute(tx);
    const readers = sql`ringwall_app, ringwall_worker, ringwall_client`;
    await sql`grant usage on schema ringwall to ${readers}`.execute(tx);
    await sql`grant select on ringwall.schema_version to ${readers}`.execute(tx);
  });
}

async function readApplied(db: Kysely<unknown>): Promise<readonly string[]> {
  const { rows } = await sql<{ name: string }>`select name from ringwall.schema_version order by number`.execute(db);
  return rows.map(({ name }) => name);
}

/** What is still to do. What was applied must be the beginning of our list, else the schema has another history. */
function comparePrefix(applied: readonly string[], migrations: readonly Migration[]): readonly Migration[] {
  const differs = applied.findIndex((name, index) => migrations[index]?.name !== name);
  if (differs !== -1) {
    throw mismatch(
      `the schema has the migration ${applied[differs]}, which this version does not know; ` +
        "use the version of Ringwall that made it, or a later one; to go back, restore the backup from before",
    );
  }
  return migrations.slice(applied.length);
}

async function apply(db: Kysely<unknown>, migration: Migration, number: number): Promise<void> {
  assert(NAME_PATTERN.test(migration.name), "a migration is called NNNN_name");
  await db.transaction().execute(async (tx) => {
    await migration.up(tx);
    await sql`insert into ringwall.schema_version (number, name) values (${number}, ${migration.name})`.execute(tx);
  });
}

function foreign(): RingwallError {
  return mismatch("there is a schema ringwall that Ringwall did not make; rename it, or use another database");
}

function mismatch(message: string): RingwallError {
  return new RingwallError("database.schema_mismatch", { message });
}
