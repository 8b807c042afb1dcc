import { type Kysely, sql } from "kysely";
import { scramVerifier } from "../src/adapters/postgres/index.ts";
import { assert, type PlainSecret, RingwallError } from "../src/core/index.ts";

/** The roles that sign in. */
export type LoginRole = "ringwall_migrate" | "ringwall_app" | "ringwall_worker";

/** What `installRoles` sets up: the database, the passwords, and the host applications' roles. */
export interface RoleOptions {
  /** The database Ringwall lives in; made when missing. */
  readonly database: string;
  readonly passwords: Readonly<Record<LoginRole, PlainSecret>>;
  /** Login roles of host applications: each becomes a member of `ringwall_client`. */
  readonly clients?: readonly { readonly role: string; readonly password: PlainSecret }[];
  /** `own`: nobody else uses this PostgreSQL, so its other databases are closed too. */
  readonly cluster: "own" | "shared";
}

const ROLE_PATTERN = /^[a-z_][a-z0-9_]{0,62}$/;
const LOCK = 7_400_001;

const GROUPS = {
  ringwall_definer: sql`nologin bypassrls`,
  ringwall_client: sql`nologin nobypassrls`,
} as const;
const LOGIN = sql`login nosuperuser nobypassrls nocreatedb nocreaterole noreplication`;

/**
 * Makes the roles, their passwords and the database, as superuser; doing it again sets the same. Passwords reach the
 * server as SCRAM verifiers only, so that no log can hold one.
 *
 * @param db - Superuser, in any database of the cluster.
 */
export async function installRoles(db: Kysely<unknown>, options: RoleOptions): Promise<void> {
  await db.connection().execute(async (connection) => {
    await sql`select pg_advisory_lock(${LOCK})`.execute(connection);
    try {
      for (const [role, attributes] of Object.entries(GROUPS)) await ensureRole(connection, role, attributes);
      for (const [role, password] of Object.entries(options.passwords)) {
        await ensureRole(connection, role, LOGIN);
        await setPassword(connection, role, password);
      }
      for (const { role, password } of options.clients ?? []) {
        await ensureRole(connection, role, LOGIN);
        await setPassword(connection, role, password);
        await sql`grant ringwall_client to ${sql.id(role)}`.execute(connection);
      }
      // The owner of the functions is a member's to give: migrations hand narrow functions over to it.
      await sql`grant ringwall_definer to ringwall_migrate`.execute(connection);
      await ensureDatabase(connection, options.database);
      await closeDatabase(
        connection,
        options.database,
        (options.clients ?? []).map(({ role }) => role),
      );
      if (options.cluster === "own") {
        await sql`revoke all on database postgres, template1 from public`.execute(connection);
      }
    } finally {
      await sql`select pg_advisory_unlock(${LOCK})`.execute(connection);
    }
  });
}

/**
 * What has to be done inside the database itself, as superuser: nobody but the named roles may use it, function texts
 * are hidden, and what no wall can be put around is closed. Doing it again changes nothing.
 */
export async function installDatabase(db: Kysely<unknown>): Promise<void> {
  await sql`revoke all on schema public from public`.execute(db);
  await hideFunctionTexts(db);
  await closeUnwalled(db);
}

/**
 * Large objects belong to a login and to no tenant, and a login may end its own other sessions, which serve other
 * tenants. Superusers, and roles that are given EXECUTE by name, still may.
 */
async function closeUnwalled(db: Kysely<unknown>): Promise<void> {
  await sql`
    do $$
    declare f regprocedure;
    begin
      for f in select oid from pg_catalog.pg_proc where pronamespace = 'pg_catalog'::regnamespace
          and (proname ~ '^lo_|^lo(read|write)$' or proname in ('pg_cancel_backend', 'pg_terminate_backend')) loop
        execute format('revoke execute on function %s from public', f);
      end loop;
    end $$`.execute(db);
}

/**
 * Hides every function's text from logins that are not its owner: PostgreSQL shows `prosrc` to everyone, and how a
 * function decides is half of an attack on it.
 */
async function hideFunctionTexts(db: Kysely<unknown>): Promise<void> {
  const { rows } = await sql<{ name: string }>`
    select attname as name from pg_attribute
    where attrelid = 'pg_catalog.pg_proc'::regclass and not attisdropped
      and attname not in ('prosrc', 'prosqlbody', 'probin') order by attnum`.execute(db);
  assert(rows.length > 20, "pg_proc has its columns");
  await sql`revoke select on pg_catalog.pg_proc from public`.execute(db);
  await sql`grant select (${sql.join(rows.map(({ name }) => sql.id(name)))}) on pg_catalog.pg_proc to public`.execute(
    db,
  );
  await sql`revoke execute on function pg_catalog.pg_get_functiondef(oid) from public`.execute(db);
  await sql`revoke execute on function pg_catalog.pg_get_function_sqlbody(oid) from public`.execute(db);
}

async function ensureRole(db: Kysely<unknown>, role: string, attributes: ReturnType<typeof sql>): Promise<void> {
  if (!ROLE_PATTERN.test(role))
    throw new RingwallError("config.invalid", { message: "a database role's name is malformed" });
  const { rows } = await sql`select 1 from pg_roles where rolname = ${role}`.execute(db);
  if (rows.length === 0) await sql`create role ${sql.id(role)} ${attributes}`.execute(db);
  else await sql`alter role ${sql.id(role)} ${attributes}`.execute(db);
}

/** `sql.lit` because ALTER ROLE takes no bind parameters; a verifier is base64, digits, `$` and `:`. */
export async function setPassword(db: Kysely<unknown>, role: string, password: PlainSecret): Promise<void> {
  const verifier = scramVerifier(password);
  assert(/^[\w$:+/=-]+$/.test(verifier), "a verifier holds nothing that ends a literal");
  await sql`alter role ${sql.id(role)} password ${sql.lit(verifier)}`.execute(db);
}

async function ensureDatabase(db: Kysely<unknown>, database: string): Promise<void> {
  if (!ROLE_PATTERN.test(database))
    throw new RingwallError("config.invalid", { message: "the database's name is malformed" });
  const { rows } = await sql`select 1 from pg_database where datname = ${database}`.execute(db);
  if (rows.length === 0) await sql`create database ${sql.id(database)} owner ringwall_migrate`.execute(db);
  else await sql`alter database ${sql.id(database)} owner to ringwall_migrate`.execute(db);
}

/** Only the named roles connect; none may make schemas or temporary tables, except the owner. */
export async function closeDatabase(db: Kysely<unknown>, database: string, clients: readonly string[]): Promise<void> {
  const roles = ["ringwall_app", "ringwall_worker", ...clients].map((role) => sql.id(role));
  await sql`revoke all on database ${sql.id(database)} from public`.execute(db);
  await sql`grant connect on database ${sql.id(database)} to ${sql.join(roles)}`.execute(db);
}
