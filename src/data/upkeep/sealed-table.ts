import { type Kysely, sql } from "kysely";
import { randomToken, type TenantId } from "../../core/index.ts";
import { type AnyTable, tableFromComments } from "../fields/index.ts";
import { isErasedRowKey } from "../keys/index.ts";
import { invalid, readTable } from "./catalogue.ts";
import { asTenant, type Owner, withLock } from "./owner.ts";
import { openToOwner } from "./structure.ts";

const PAGE_ROWS = 500;
const POLICY_BYTES = 9;

/** A row of a sealed table: its id, row key, sealed columns and tags. */
export type SealedRecord = Readonly<Record<string, unknown>>;

/** The table as its migration's comments describe it. @throws RingwallError `request.invalid` when nothing of it is sealed. */
export async function readSealedTable(db: Kysely<unknown>, name: string): Promise<AnyTable> {
  const facts = await readTable(db, name);
  const table = tableFromComments(name, facts.comments);
  if (table !== undefined) return table;
  throw invalid(`no column of ${name} is known to be sealed: tables of sealColumns and fields adopt are`);
}

/**
 * Lets the owner see the table's rows, inside the wall, for as long as `work` runs: the policy is the one thing that is
 * written, and it has a name of its own, so that it is nobody else's to remove.
 */
export async function seeing<T>(owner: Owner, name: string, work: () => Promise<T>): Promise<T> {
  const policy = `ringwall_upkeep_${randomToken(POLICY_BYTES)
    .replaceAll(/[^A-Za-z0-9]/g, "x")
    .toLowerCase()}`;
  await withLock(owner, async (tx) => {
    await openToOwner(tx, name, policy);
  });
  try {
    return await work();
  } finally {
    await withLock(owner, async (tx) => {
      await sql`drop policy if exists ${sql.id(policy)} on ${sql.table(name)}`.execute(tx);
    });
  }
}

/** True for a row key that opens: an erased row has nothing to be tagged or measured. */
export function isLiving(rowKey: unknown): boolean {
  return Buffer.isBuffer(rowKey) && !isErasedRowKey(rowKey);
}

/** One tenant's rows by their ids, page by page, each page in a transaction of its own; `locked` while it lasts. */
export async function forEachPage(
  owner: Owner,
  table: AnyTable,
  tenant: TenantId,
  use: (rows: readonly SealedRecord[], tx: Kysely<unknown>) => Promise<void>,
  { locked = false, rowsMax = Number.POSITIVE_INFINITY }: { readonly locked?: boolean; readonly rowsMax?: number } = {},
): Promise<void> {
  const lock = locked ? sql`for no key update` : sql``;
  const id = sql.ref(table.row);
  const read = [
    table.rowKey,
    ...table.columns.map(({ name }) => name),
    ...table.indexes.map(({ declared }) => declared.column),
  ];
  let after: unknown;
  for (let seen = 0; seen < rowsMax; ) {
    owner.signal.throwIfAborted();
    const limit = Math.min(PAGE_ROWS, rowsMax - seen);
    const rows = await asTenant(owner, tenant, async (tx) => {
      const later = after === undefined ? sql`true` : sql`${id} > ${after}`;
      const page = await sql<SealedRecord & { readonly ringwall_id: unknown }>`
        select ${id} as ringwall_id, ${id}::text as ${id}, ${sql.join(read.map((column) => sql.ref(column)))}
        from ${sql.table(table.name)} where tenant_id = (select ringwall.tenant()) and ${later}
        order by ${id} limit ${limit} ${lock}`.execute(tx);
      await use(page.rows, tx);
      return page.rows;
    });
    seen += rows.length;
    after = rows.at(-1)?.ringwall_id;
    if (rows.length < limit) return;
  }
}
