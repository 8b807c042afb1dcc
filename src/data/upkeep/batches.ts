import { type Kysely, sql } from "kysely";
import { assert, type TenantId } from "../../core/index.ts";
import type { Columns, SealedRows } from "../fields/index.ts";
import { isErasedRowKey } from "../keys/index.ts";
import type { Adoption } from "./adoption.ts";
import { BATCH_ROWS, type Owner } from "./owner.ts";
import { pendingCondition } from "./structure.ts";

type Sql = Kysely<unknown>;

// The wall says the same. This says it to the planner, and where a table has no wall.
const OWN = sql`tenant_id = (select ringwall.tenant())`;
const OWN_OLD = sql`old.tenant_id = (select ringwall.tenant())`;

/** Rows of this tenant for which the condition holds. */
export async function countOwn(tx: Sql, { name }: Adoption, condition: ReturnType<typeof sql>): Promise<number> {
  const { rows } = await sql<{ count: number }>`
    select count(*)::int as count from ${sql.table(name)} where ${OWN} and ${condition}`.execute(tx);
  return rows[0]?.count ?? 0;
}

/** Seals the next rows that wait for it. Rows that somebody else has locked are left for later. */
export async function fillBatch(owner: Owner, adoption: Adoption, tx: Sql, tenant: TenantId): Promise<number> {
  const { column, idType, name, table, twin } = adoption;
  const [id, key] = [sql.ref(table.row), sql.ref(table.rowKey)];
  const { rows } = await sql<{ row: string; row_key: Buffer | null; plain: string }>`
    select ${id}::text as row, ${key} as row_key, ${sql.ref(column)} as plain from ${sql.table(name)}
    where ${OWN} and ${pendingCondition(adoption)} limit ${BATCH_ROWS} for update skip locked`.execute(tx);
  if (rows.length === 0) return 0;
  const sealing = owner.fields.table(table);
  const cells: Readonly<Record<string, unknown>>[] = [];
  for (const { plain, row, row_key: known } of rows) {
    const values = { [twin]: plain };
    cells.push({ ...(await sealedCells(sealing, { table, tenant, row, known, values })), [table.row]: row });
  }
  const written = [twin, table.rowKey, ...table.indexes.map(({ declared }) => declared.column)];
  const sets = written.map((name_) => sql`${sql.ref(name_)} = new.${sql.ref(name_)}`);
  const lists = written.map((name_) => sql`${cells.map((cell) => bytesOrNull(cell[name_]))}::bytea[]`);
  const result = await sql`
    update ${sql.table(name)} as old set ${sql.join(sets)}
    from unnest(${cells.map((cell) => cell[table.row])}::text[], ${sql.join(lists)})
      as new (row_id, ${sql.join(written.map((name_) => sql.ref(name_)))})
    where ${OWN_OLD} and old.${id} = new.row_id::${idType}`.execute(tx);
  assert(Number(result.numAffectedRows) === rows.length, "every row that was sealed is written");
  return rows.length;
}

/**
 * A row that has a key keeps it, and one that was erased stays erased: its twin is sealed under a key that is thrown
 * away, so that the column holds what its CHECK wants and nothing opens it.
 */
async function sealedCells(
  sealing: SealedRows<string, string, Columns>,
  from: {
    readonly table: Adoption["table"];
    readonly tenant: TenantId;
    readonly row: string;
    readonly known: Buffer | null;
    readonly values: Readonly<Record<string, string>>;
  },
): Promise<Readonly<Record<string, unknown>>> {
  const { known, row, table, tenant, values } = from;
  if (known === null) return await sealing.seal(tenant, row, values);
  const keyColumn = { [table.rowKey]: known };
  if (!isErasedRowKey(known)) {
    return { ...(await sealing.change(tenant, { [table.row]: row, ...keyColumn }, values)), ...keyColumn };
  }
  const untagged = Object.fromEntries(table.indexes.map(({ declared }) => [declared.column, null]));
  return { ...(await sealing.seal(tenant, row, values)), ...untagged, ...keyColumn };
}

/** The row's key was destroyed by an erasure. */
export function erasedCondition({ table }: Pick<Adoption, "table">): ReturnType<typeof sql> {
  return sql`(${sql.ref(table.rowKey)} is not null and get_byte(${sql.ref(table.rowKey)}, 0) = 0)`;
}

function bytesOrNull(cell: unknown): Buffer | null {
  assert(cell === null || Buffer.isBuffer(cell), "a sealed cell is bytes");
  return cell;
}

/** Rows that have a twin and no plaintext: what an undo fills in again. */
export function unrestoredCondition({ column, note, table, twin }: Adoption): ReturnType<typeof sql> {
  const waits = sql`${sql.ref(column)} is null and ${sql.ref(twin)} is not null`;
  // Of an erased row nothing comes back; a column that may be NULL stays so.
  return note?.notNull === true ? waits : sql`${waits} and not ${erasedCondition({ table })}`;
}

/** Opens the next twins and writes their plaintext back. */
export async function restoreBatch(owner: Owner, adoption: Adoption, tx: Sql, tenant: TenantId): Promise<number> {
  const { column, idType, name, table, twin } = adoption;
  const [id, key] = [sql.ref(table.row), sql.ref(table.rowKey)];
  const { rows } = await sql<{ row: string; row_key: Buffer; sealed: Buffer }>`
    select ${id}::text as row, ${key} as row_key, ${sql.ref(twin)} as sealed from ${sql.table(name)}
    where ${OWN} and ${unrestoredCondition(adoption)} limit ${BATCH_ROWS} for update skip locked`.execute(tx);
  if (rows.length === 0) return 0;
  const living = rows.filter(({ row_key: rowKey }) => !isErasedRowKey(rowKey));
  const found = living.map(({ row, row_key: rowKey, sealed }) => ({
    [table.row]: row,
    [table.rowKey]: rowKey,
    [twin]: sealed,
  }));
  const opened = await owner.fields.table(table).openMany(tenant, found);
  const texts = new Map(living.map(({ row }, at) => [row, opened[at]?.[twin] ?? null]));
  // A column that may not be NULL gets an empty text where there is nothing any more.
  const values = rows.map(({ row }) => (texts.has(row) ? (texts.get(row) ?? null) : ""));
  await sql`
    update ${sql.table(name)} as old set ${sql.ref(column)} = new.plain
    from unnest(${rows.map(({ row }) => row)}::text[], ${values}::text[]) as new (row_id, plain)
    where ${OWN_OLD} and old.${id} = new.row_id::${idType}`.execute(tx);
  return rows.length;
}

/** Rows whose plaintext is still there beside the twin. */
export function unblankedCondition({ column }: Adoption): ReturnType<typeof sql> {
  return sql`${sql.ref(column)} is not null`;
}

/** Empties the plaintext of the next rows: dropping a column leaves its bytes in every row, an update lets VACUUM take them. */
export async function blankBatch({ column, name, table, twin }: Adoption, tx: Sql): Promise<number> {
  const id = sql.ref(table.row);
  const result = await sql`
    update ${sql.table(name)} set ${sql.ref(column)} = null
    where ${OWN} and ${id} in (
      select ${id} from ${sql.table(name)}
      where ${OWN} and ${sql.ref(column)} is not null and ${sql.ref(twin)} is not null
      limit ${BATCH_ROWS} for update skip locked)`.execute(tx);
  return Number(result.numAffectedRows ?? 0n);
}
