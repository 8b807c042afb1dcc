import { type Kysely, sql } from "kysely";
import { assert, isoTime, PLATFORM_TENANT, RingwallError, type TenantId } from "../../core/index.ts";
import { CONTEXT_LIFE_MS, requireOpened } from "../tenants/index.ts";
import type { Owner } from "./owner.ts";

/** Rows at a time. Constant memory: a row of the largest size that PostgreSQL has is rare, and a page of them rarer. */
const ROWS_AT_ONCE = 100;

/** Whole tables that hold nothing but what lets somebody in, or keys. */
const TABLES_LEFT_OUT: ReadonlySet<string> = new Set([
  "ringwall.session",
  "ringwall.login_transaction",
  "ringwall.link",
  "ringwall.attempt",
  "ringwall.totp_factor",
  "ringwall.secret_version",
  "ringwall.tenant_key",
  "ringwall.key_usage",
  "ringwall.key_epoch",
  "ringwall.key_job",
]);
const COLUMNS_LEFT_OUT: ReadonlySet<string> = new Set(["ringwall.user_account.password_hash"]);

/** One table of an export: its columns in order, and those that were left out. */
export interface ExportedTable {
  readonly schema: string;
  readonly name: string;
  readonly columns: readonly string[];
  readonly leftOut: readonly string[];
}

/** Where the rows of an export go. */
export interface ExportSink {
  /** Before the first row of a table. */
  begin(table: ExportedTable): Promise<void>;
  /** Some rows, each as one line of JSON without a line break in it. */
  write(rows: readonly string[]): Promise<void>;
  /** After a table's last row. */
  end(): Promise<void>;
}

/** What was exported, and what was not. */
export interface ExportFacts {
  /** When the snapshot was taken, by the database's clock. */
  readonly takenAt: string;
  readonly tables: readonly (ExportedTable & { readonly rows: number })[];
  /** Tables of which nothing was exported, as `schema.table`. */
  readonly leftOut: readonly string[];
}

/**
 * Reads every row of one tenant in every walled table, in one snapshot, as the tables' owner behind the tenant's wall: the
 * rows of another tenant are not there for it.
 *
 * Left out: sessions, sign-ins, links, attempts, factors, secrets' values, password hashes, keys, row keys and the tags of
 * blind indexes, and the columns in `leaveOut`. Sealed fields are as they are stored.
 *
 * @param leaveOut - Further columns, as `schema.table.column`.
 * @throws RingwallError `request.invalid` for a column that is not there, so that a slip of the pen exports nothing;
 * `database.schema_mismatch` when a table cannot be read; `access.denied` for the platform, which is no customer.
 */
export async function exportTenant(
  owner: Pick<Owner, "clock" | "db" | "signal" | "signer">,
  tenant: TenantId,
  sink: ExportSink,
  leaveOut: readonly string[] = [],
): Promise<ExportFacts> {
  if (tenant === PLATFORM_TENANT) throw new RingwallError("access.denied");
  const { clock, db, signal, signer } = owner;
  return await db
    .transaction()
    .setIsolationLevel("repeatable read")
    .setAccessMode("read only")
    .execute(async (tx) => {
      // Of the transaction's begin, which the context is compared with: it holds until the end, however long that takes.
      const { rows } = await sql<{ pid: number; taken_ms: number }>`
        select pg_backend_pid() as pid, (extract(epoch from transaction_timestamp()) * 1000)::float8 as taken_ms`.execute(
        tx,
      );
      const [backend] = rows;
      assert(backend !== undefined, "a backend has a number");
      const context = signer.sign(tenant, backend.pid, clock() + CONTEXT_LIFE_MS);
      await sql`select set_config('ringwall.context', ${context}, true)`.execute(tx);
      const { leftOut, tables } = await plan(tx, leaveOut);
      const done: ExportFacts["tables"][number][] = [];
      for (const table of tables) done.push({ ...table.told, rows: await copy(tx, table, sink, signal) });
      return { takenAt: isoTime(backend.taken_ms), tables: done, leftOut };
    });
}

interface PlannedTable {
  readonly told: ExportedTable;
  readonly isPartitioned: boolean;
}

interface ColumnRow {
  readonly table_schema: string;
  readonly table_name: string;
  readonly kind: string;
  readonly opened: boolean;
  readonly owner: string;
  readonly columns: readonly string[];
  readonly keys: readonly string[];
}

async function plan(
  tx: Kysely<unknown>,
  leaveOut: readonly string[],
): Promise<{ readonly tables: readonly PlannedTable[]; readonly leftOut: readonly string[] }> {
  const { rows } = await sql<ColumnRow>`
    select t.table_schema, t.table_name, t.kind, t.opened,
           (select pg_get_userbyid(c.relowner) from pg_class c where c.oid = t.table_oid)::text as owner,
           array(select a.attname::text from pg_attribute a
                  where a.attrelid = t.table_oid and a.attnum > 0 and not a.attisdropped order by a.attnum) as columns,
           array(select k from ringwall.sealed_table s, unnest(array_append(s.tag_columns, s.key_column)) k
                  where s.table_schema = t.table_schema and s.table_name = t.table_name) as keys
      from ringwall.tenant_tables() t order by 1, 2`.execute(tx);
  requireOpened(rows, "read from");
  const wanted = new Set(leaveOut);
  const known = new Set(rows.flatMap((row) => row.columns.map((column) => `${nameOf(row)}.${column}`)));
  const missing = leaveOut.find((name) => !known.has(name));
  if (missing !== undefined) {
    throw new RingwallError("request.invalid", { message: `there is no column ${missing} in a table with a wall` });
  }
  const isOut = (row: ColumnRow, column: string): boolean => {
    const name = `${nameOf(row)}.${column}`;
    return row.keys.includes(column) || COLUMNS_LEFT_OUT.has(name) || wanted.has(name);
  };
  const tables = rows
    .filter((row) => !TABLES_LEFT_OUT.has(nameOf(row)))
    .map((row) => ({
      isPartitioned: row.kind === "partitioned",
      told: {
        schema: row.table_schema,
        name: row.table_name,
        columns: row.columns.filter((column) => !isOut(row, column)),
        leftOut: row.columns.filter((column) => isOut(row, column)),
      },
    }));
  return { tables, leftOut: rows.map(nameOf).filter((name) => TABLES_LEFT_OUT.has(name)) };
}

function nameOf({ table_name: name, table_schema: schema }: ColumnRow): string {
  return `${schema}.${name}`;
}

async function copy(
  tx: Kysely<unknown>,
  { isPartitioned, told }: PlannedTable,
  sink: ExportSink,
  signal: AbortSignal,
): Promise<number> {
  await sink.begin(told);
  let count = 0;
  if (told.columns.length > 0) {
    const columns = sql.join(told.columns.map((column) => sql.id(column)));
    const table = sql.id(told.schema, told.name);
    // Tables that inherit from another one without being its partitions have walls of their own, and are listed.
    const from = isPartitioned ? table : sql`only ${table}`;
    await sql`
      declare tenant_rows no scroll cursor for select row_to_json(one)::text as row from (select ${columns} from ${from}) one`.execute(
      tx,
    );
    for (;;) {
      signal.throwIfAborted();
      const { rows } = await sql<{ row: string }>`fetch ${sql.lit(ROWS_AT_ONCE)} from tenant_rows`.execute(tx);
      if (rows.length === 0) break;
      count += rows.length;
      // A column of type json keeps the line breaks between its values, where a space is as good; within a string they
      // are escaped in every JSON.
      await sink.write(rows.map(({ row }) => row.replaceAll(/[\r\n]/g, " ")));
    }
    await sql`close tenant_rows`.execute(tx);
  }
  await sink.end();
  return count;
}
