import { type Kysely, sql } from "kysely";
import type { TenantId } from "../../core/index.ts";
import type { AnyTable } from "../fields/index.ts";
import type { Owner } from "./owner.ts";
import { forEachPage, isLiving, readSealedTable, type SealedRecord, seeing } from "./sealed-table.ts";

/**
 * Makes the tags of a table's rows anew where they are missing or of another version of index or key: after the index
 * key was rotated, after an index was added or changed. Rows that have theirs are left as they are, so that an
 * interrupted run is gone on with. Searches ask for the version before as well, until this has run.
 *
 * @returns How many rows got new tags.
 */
export async function retagTable(
  owner: Owner,
  name: string,
  progress: (tenant: TenantId, done: number) => void = () => undefined,
): Promise<number> {
  const table = await readSealedTable(owner.db, name);
  let total = 0;
  if (table.indexes.length === 0) return total;
  await seeing(owner, name, async () => {
    for (const tenant of await owner.tenants()) {
      let done = 0;
      const retag = async (rows: readonly SealedRecord[], tx: Kysely<unknown>): Promise<void> => {
        done += await retagPage(owner, table, tenant, rows, tx);
        progress(tenant, done);
      };
      await forEachPage(owner, table, tenant, retag, { locked: true });
      total += done;
    }
  });
  return total;
}

async function retagPage(
  owner: Owner,
  table: AnyTable,
  tenant: TenantId,
  rows: readonly SealedRecord[],
  tx: Kysely<unknown>,
): Promise<number> {
  const sealing = owner.fields.table(table);
  const sealed = rows.filter((row) => isLiving(row[table.rowKey]));
  const opened = await sealing.openMany(tenant, sealed);
  let done = 0;
  for (const [at, row] of sealed.entries()) {
    const fresh = await sealing.tags(tenant, opened[at] ?? {});
    const stale = table.indexes.filter(({ declared: { column } }) => !isOfSameVersion(row[column], fresh[column]));
    if (stale.length === 0) continue;
    const sets = stale.map(({ declared: { column } }) => sql`${sql.ref(column)} = ${fresh[column] ?? null}`);
    await sql`
      update ${sql.table(table.name)} set ${sql.join(sets)}
      where tenant_id = (select ringwall.tenant()) and ${sql.ref(table.row)} = ${row["ringwall_id"]}`.execute(tx);
    done += 1;
  }
  return done;
}

/** Compares the two version bytes and the length; the rest differs by partition. */
function isOfSameVersion(stored: unknown, fresh: Buffer | null | undefined): boolean {
  if (!Buffer.isBuffer(stored) || fresh === null || fresh === undefined) return stored === (fresh ?? null);
  return stored.length === fresh.length && stored.subarray(0, 2).equals(fresh.subarray(0, 2));
}
