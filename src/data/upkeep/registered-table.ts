import { type Kysely, sql } from "kysely";

/** Where a host application's table keeps its row keys. */
export interface RegisteredTable {
  /** With its schema, as in `bank.customer`; `tenant_id` comes first in its primary key, the row's id second. */
  readonly table: string;
  /** The name that fields of the table are sealed with, when it is not the table's own. */
  readonly place?: string;
  /** The column of the row's id, whose text is what rows are sealed with. */
  readonly row: string;
  /** The column of the row key's record. Its checks must let 98 zero bytes in: that is what an erased row holds. */
  readonly rowKey: string;
  /** The column that names the user whose data the row holds, when it is one person's. */
  readonly person?: string;
  /** Columns of blind indexes' tags, which are emptied with the row's key. */
  readonly tags?: readonly string[];
}

/**
 * Lets Ringwall's worker wrap a table's row keys anew and erase them: one tenant at a time, behind the tenant's wall, by
 * the columns named here and no other.
 *
 * @example await registerSealedTable(db, { table: "bank.customer", row: "customer_id", rowKey: "row_key" });
 */
export async function registerSealedTable(db: Kysely<unknown>, sealed: RegisteredTable): Promise<void> {
  const { person, place = sealed.table, row, rowKey, tags = [] } = sealed;
  const [schema = "", name = ""] = sealed.table.split(".");
  const table = sql.id(schema, name);
  const columns = ["tenant_id", row, rowKey, ...(person === undefined ? [] : [person])].map((column) => sql.id(column));
  await sql`grant usage on schema ${sql.id(schema)} to ringwall_worker`.execute(db);
  await sql`create policy ringwall_worker on ${table} for all to ringwall_worker using (true) with check (true)`.execute(
    db,
  );
  await sql`grant select (${sql.join(columns)}), update (${sql.id(rowKey)}) on ${table} to ringwall_worker`.execute(db);
  await sql`
    insert into ringwall.sealed_table (place, table_schema, table_name, row_column, key_column, person_column)
    values (${place}, ${schema}, ${name}, ${row}, ${rowKey}, ${person ?? null})`.execute(db);
  await registerTags(db, sealed.table, tags);
}

/** Adds columns of tags to a table that is registered; changes nothing for one that is not. */
export async function registerTags(db: Kysely<unknown>, table: string, tags: readonly string[]): Promise<void> {
  if (tags.length === 0) return;
  const [schema = "", name = ""] = table.split(".");
  const { rows } = await sql`
    update ringwall.sealed_table
    set tag_columns = array(select distinct unnest(tag_columns || ${sql.val([...tags])}::text[]) order by 1)
    where table_schema = ${schema} and table_name = ${name} returning place`.execute(db);
  if (rows.length === 0) return;
  const columns = sql.join(tags.map((column) => sql.id(column)));
  await sql`grant update (${columns}) on ${sql.id(schema, name)} to ringwall_worker`.execute(db);
}

/** Takes columns of tags out again, so that they can be dropped. */
export async function unregisterTags(db: Kysely<unknown>, table: string, tags: readonly string[]): Promise<void> {
  const [schema = "", name = ""] = table.split(".");
  await sql`
    update ringwall.sealed_table
    set tag_columns = array(select tag from unnest(tag_columns) as tag where tag <> all(${sql.val([...tags])}::text[]))
    where table_schema = ${schema} and table_name = ${name}`.execute(db);
}

/** Takes back what `registerSealedTable` did for a table, so that its row keys' column can be dropped. */
export async function unregisterSealedTable(db: Kysely<unknown>, name: string): Promise<void> {
  const [schema = "", bare = ""] = name.split(".");
  await sql`delete from ringwall.sealed_table where table_schema = ${schema} and table_name = ${bare}`.execute(db);
  await sql`drop policy if exists ringwall_worker on ${sql.id(schema, bare)}`.execute(db);
}
