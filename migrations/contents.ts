import { type Kysely, sql, type Transaction } from "kysely";
import { assert, RingwallError } from "../src/core/index.ts";

/** One table of the database, and how many rows of it are kept. */
export interface TableFacts {
  readonly schema: string;
  readonly name: string;
  readonly rows: number;
}

/** What a copy of a database's contents says about itself. */
export interface ContentsFacts {
  /** Names of Ringwall's migrations and the applications', in order; contents fit exactly this schema. */
  readonly migrations: readonly string[];
  readonly applications: readonly { readonly application: string; readonly names: readonly string[] }[];
  readonly tables: readonly TableFacts[];
  readonly sequences: readonly { readonly schema: string; readonly name: string; readonly value: string }[];
  /** Login roles of host applications with their SCRAM verifiers: a rotated password must go on to work. */
  readonly clients: readonly { readonly role: string; readonly verifier: string }[];
}

/** Rows at a time: of 64 KiB at most each in Ringwall's own tables. */
const ROWS_AT_ONCE = 500;

/**
 * Never part of a copy: what somebody ended or used up after the copy was made would come back to life. Everybody signs
 * in again, and links are made anew.
 */
const LEFT_OUT: ReadonlySet<string> = new Set(["ringwall.session", "ringwall.login_transaction", "ringwall.link"]);

interface TableName {
  readonly schema: string;
  readonly name: string;
}

/**
 * Reads every row of every table as text, as PostgreSQL writes a whole row, in one snapshot.
 *
 * @param db - As superuser: everybody else sees the rows of one tenant at most, and the tables' owner none.
 * @param write - Gets the rows of one table, some hundred at a time, in the order of `tables`.
 */
export async function exportContents(
  db: Kysely<unknown>,
  write: (table: TableName, rows: readonly string[]) => void,
): Promise<ContentsFacts> {
  return await db
    .transaction()
    .setIsolationLevel("repeatable read")
    .setAccessMode("read only")
    .execute(async (tx) => {
      await requireSuperuser(tx);
      const tables: TableFacts[] = [];
      for (const table of await tableNames(tx)) {
        let rows = 0;
        await sql`declare contents no scroll cursor for
          select one::text as row from ${sql.id(table.schema, table.name)} as one`.execute(tx);
        for (;;) {
          const fetched = await sql<{ row: string }>`fetch ${sql.lit(ROWS_AT_ONCE)} from contents`.execute(tx);
          if (fetched.rows.length === 0) break;
          rows += fetched.rows.length;
          write(
            table,
            fetched.rows.map(({ row }) => row),
          );
        }
        await sql`close contents`.execute(tx);
        tables.push({ ...table, rows });
      }
      return { ...(await schemaFacts(tx)), tables, sequences: await sequences(tx), clients: await clients(tx) };
    });
}

/**
 * Puts contents into a database of the same schema, in the place of everything that is there. All or nothing.
 *
 * @param db - As superuser. Triggers and foreign keys rest meanwhile: what is put in held together where it was read.
 * @param read - Gives the rows of a table as they were written.
 * @throws RingwallError `database.schema_mismatch` when the database has another schema, or has been used.
 */
export async function importContents(
  db: Kysely<unknown>,
  facts: ContentsFacts,
  read: (table: TableFacts) => Iterable<readonly string[]>,
): Promise<void> {
  await db.transaction().execute(async (tx) => {
    await requireSuperuser(tx);
    await requireUnused(tx);
    await requireSame(facts, await schemaFacts(tx), await tableNames(tx));
    await sql`set local session_replication_role = replica`.execute(tx);
    // What migrations put in is part of the copy too.
    for (const { schema, name } of facts.tables) await sql`delete from ${sql.id(schema, name)}`.execute(tx);
    for (const table of facts.tables) {
      let rows = 0;
      const place = sql.id(table.schema, table.name);
      for (const some of read(table)) {
        rows += some.length;
        await sql`insert into ${place} overriding system value
          select one.* from unnest((${[...some]}::text[])::${place}[]) as one`.execute(tx);
      }
      assert(rows === table.rows, "as many rows are put in as were taken out");
    }
    for (const { schema, name, value } of facts.sequences) {
      await sql`select setval(format('%I.%I', ${schema}::text, ${name}::text)::regclass, ${value}::bigint)`.execute(tx);
    }
    for (const { role, verifier } of facts.clients) {
      await sql`alter role ${sql.id(role)} password ${sql.lit(verifier)}`.execute(tx);
    }
  });
}

async function requireSuperuser(tx: Transaction<unknown>): Promise<void> {
  const { rows } = await sql<{ rolsuper: boolean }>`
    select rolsuper from pg_roles where rolname = current_user`.execute(tx);
  if (rows[0]?.rolsuper === true) return;
  throw new RingwallError("config.invalid", { message: "a copy of all contents needs a superuser of PostgreSQL" });
}

/**
 * Asked before anything is set up: setting up gives roles the passwords of the copy, which whoever uses the database has
 * not.
 * @param db - As superuser, in the database that is to be filled.
 * @throws RingwallError `database.schema_mismatch` when somebody has used it.
 */
export async function checkNeverUsed(db: Kysely<unknown>): Promise<void> {
  const { rows } = await sql<{ there: boolean }>`
    select to_regclass('ringwall.audit_entry') is not null as there`.execute(db);
  if (rows[0]?.there === true) await requireUnused(db);
}

/** Whoever restores over a database that is in use destroys it. */
async function requireUnused(tx: Kysely<unknown>): Promise<void> {
  const { rows } = await sql<{ used: boolean }>`
    select exists (select from ringwall.user_account) or exists (select from ringwall.audit_entry) as used`.execute(tx);
  if (rows[0]?.used === false) return;
  throw mismatch("the database has been used; restore into a new one");
}

async function requireSame(
  facts: ContentsFacts,
  found: Pick<ContentsFacts, "migrations" | "applications">,
  tables: readonly TableName[],
): Promise<void> {
  const { applications, migrations } = facts;
  if (JSON.stringify(migrations) !== JSON.stringify(found.migrations)) {
    throw mismatch(
      `the copy has ${migrations.length} migrations of Ringwall's and this version ${found.migrations.length}; ` +
        "restore with the version that made it, then go on to the newer one",
    );
  }
  const missing = applications.filter((one) => !found.applications.some((other) => same(one, other)));
  if (missing.length > 0) {
    const names = missing.map(({ application }) => application).join(", ");
    throw mismatch(`the copy holds tables of ${names} in another version than given; name its migrations: --with FILE`);
  }
  const known = new Set(tables.map(({ schema, name }) => `${schema}.${name}`));
  const strange = facts.tables.find(({ schema, name }) => !known.has(`${schema}.${name}`));
  if (strange !== undefined) throw mismatch(`there is no table ${strange.schema}.${strange.name} here`);
}

function same(one: ContentsFacts["applications"][number], other: ContentsFacts["applications"][number]): boolean {
  return JSON.stringify(one) === JSON.stringify(other);
}

async function tableNames(tx: Transaction<unknown>): Promise<readonly TableName[]> {
  const { rows } = await sql<TableName>`
    select n.nspname as schema, c.relname as name
      from pg_class c join pg_namespace n on n.oid = c.relnamespace
     where c.relkind = 'r' and c.relpersistence = 'p' and n.nspname <> 'information_schema' and n.nspname !~ '^pg_'
     order by n.nspname, c.relname`.execute(tx);
  return rows.filter(({ schema, name }) => !LEFT_OUT.has(`${schema}.${name}`));
}

async function schemaFacts(tx: Transaction<unknown>): Promise<Pick<ContentsFacts, "migrations" | "applications">> {
  const own = await sql<{ name: string }>`select name from ringwall.schema_version order by number`.execute(tx);
  const { rows } = await sql<{ application: string; name: string }>`
    select application, name from ringwall.application_version order by application, number`.execute(tx);
  const applications = [...Map.groupBy(rows, ({ application }) => application)].map(([application, migrations]) => ({
    application,
    names: migrations.map(({ name }) => name),
  }));
  return { migrations: own.rows.map(({ name }) => name), applications };
}

async function sequences(tx: Transaction<unknown>): Promise<ContentsFacts["sequences"]> {
  const { rows } = await sql<{ schema: string; name: string; value: string }>`
    select schemaname as schema, sequencename as name, last_value::text as value
      from pg_sequences where last_value is not null order by 1, 2`.execute(tx);
  return rows;
}

async function clients(tx: Transaction<unknown>): Promise<ContentsFacts["clients"]> {
  const { rows } = await sql<{ role: string; verifier: string }>`
    select a.rolname as role, a.rolpassword as verifier
      from pg_authid a join pg_auth_members m on m.member = a.oid join pg_roles g on g.oid = m.roleid
     where g.rolname = 'ringwall_client' and a.rolcanlogin and a.rolpassword like 'SCRAM-SHA-256$%'
     order by 1`.execute(tx);
  return rows;
}

function mismatch(message: string): RingwallError {
  return new RingwallError("database.schema_mismatch", { message });
}
