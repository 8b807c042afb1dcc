import { type Kysely, sql } from "kysely";
import { RingwallError } from "../../core/index.ts";

/** What the database's catalogue says of a table. */
export interface TableFacts {
  /** With its schema. */
  readonly name: string;
  readonly forced: boolean;
  readonly owner: string;
  readonly columns: ReadonlyMap<string, ColumnFacts>;
  /** Comments of columns. */
  readonly comments: ReadonlyMap<string, string>;
  /** Comments of constraints, by their names. */
  readonly constraints: ReadonlyMap<string, { readonly comment: string | null; readonly valid: boolean }>;
  /** Columns of the primary key but the tenant's. */
  readonly key: readonly string[];
  readonly estimatedRows: number;
}

/** What the catalogue says of a column. */
export interface ColumnFacts {
  readonly type: string;
  readonly notNull: boolean;
}

const TABLE_NAME = /^[a-z_][a-z0-9_]{0,62}\.[a-z_][a-z0-9_]{0,62}$/;

/** @throws RingwallError `request.invalid` for a table that is not there, is not ours or holds no tenant's rows. */
export async function readTable(db: Kysely<unknown>, name: string): Promise<TableFacts> {
  if (!TABLE_NAME.test(name)) throw invalid(`name the table with its schema, as in shop.customer`);
  const { rows } = await sql<{ forced: boolean; owner: string; mine: boolean; rows: number; key: string[] | null }>`
    select c.relforcerowsecurity as forced, c.relowner::regrole::text as owner, c.relowner = current_user::regrole as mine,
           greatest(c.reltuples, 0)::float8 as rows,
           (select array_agg(a.attname::text) from pg_index i
              join pg_attribute a on a.attrelid = c.oid and a.attnum = any(i.indkey)
            where i.indrelid = c.oid and i.indisprimary and a.attname <> 'tenant_id') as key
    from pg_class c where c.oid = to_regclass(${name}) and c.relkind in ('r', 'p')`.execute(db);
  const [table] = rows;
  if (table === undefined) throw invalid(`there is no table ${name}`);
  if (!table.mine) throw invalid(`the table ${name} belongs to ${table.owner}, not to the role that migrates`);
  const columns = await readColumns(db, name);
  if (!columns.has("tenant_id")) throw invalid(`the table ${name} has no column tenant_id: nobody's key is its rows'`);
  const constraints = await sql<{ name: string; comment: string | null; valid: boolean }>`
    select conname::text as name, obj_description(oid, 'pg_constraint') as comment, convalidated as valid
    from pg_constraint where conrelid = to_regclass(${name})`.execute(db);
  return {
    name,
    forced: table.forced,
    owner: table.owner,
    columns,
    comments: new Map([...columns].flatMap(([column, { comment }]) => (comment === null ? [] : [[column, comment]]))),
    constraints: new Map(
      constraints.rows.map(({ comment, name: constraint, valid }) => [constraint, { comment, valid }]),
    ),
    key: table.key ?? [],
    estimatedRows: table.rows,
  };
}

async function readColumns(db: Kysely<unknown>, name: string) {
  const { rows } = await sql<{ name: string; type: string; not_null: boolean; comment: string | null }>`
    select attname::text as name, format_type(atttypid, atttypmod) as type, attnotnull as not_null,
           col_description(attrelid, attnum) as comment
    from pg_attribute where attrelid = to_regclass(${name}) and attnum > 0 and not attisdropped order by attnum`.execute(
    db,
  );
  return new Map(
    rows.map(({ comment, name: column, not_null: notNull, type }) => [column, { type, notNull, comment }]),
  );
}

/** A mistake of whoever types the command, with the way out in its words. */
export function invalid(message: string): RingwallError {
  return new RingwallError("request.invalid", { message });
}
