import { sql } from "kysely";
import { assert, RingwallError, type TenantId } from "../../core/index.ts";
import { isErasedRowKey } from "../keys/index.ts";
import type { Adoption } from "./adoption.ts";
import { asTenant, type Owner } from "./owner.ts";

const PAGE_ROWS = 500;
/** Ids that are named; the rest is counted. */
const NAMED_MAX = 10;

/** What a comparison of every twin with its plaintext found. */
export interface Verified {
  /** Rows whose twin opens to the very plaintext, with the right tags. */
  readonly same: number;
  /** Rows that were not sealed at that moment; writers may have changed them since. */
  readonly pending: number;
  /** Rows that differ, by tenant and id; the first ten. Never their values. */
  readonly different: readonly { readonly tenant: TenantId; readonly row: string }[];
  readonly differences: number;
  /** Rows whose key was erased: their twins open for nobody, as it should be. */
  readonly erased: number;
}

interface Compared {
  readonly row: string;
  readonly row_key: Buffer | null;
  readonly plain: string | null;
  readonly sealed: Buffer | null;
  readonly [tag: string]: unknown;
}

/** Opens every twin of every tenant and compares it with the plaintext, page by page. Changes nothing. */
export async function verifyTwins(
  owner: Owner,
  adoption: Adoption,
  progress: (tenant: TenantId, done: number) => void,
): Promise<Verified> {
  let same = 0;
  let pending = 0;
  let differences = 0;
  let erased = 0;
  const different: { tenant: TenantId; row: string }[] = [];
  for (const tenant of await owner.tenants()) {
    let after: string | undefined;
    let done = 0;
    for (;;) {
      owner.signal.throwIfAborted();
      const rows = await readPage(owner, adoption, tenant, after);
      for (const row of rows) {
        if (row.plain !== null && row.sealed === null) pending += 1;
        else if (row.row_key !== null && isErasedRowKey(row.row_key)) erased += 1;
        else if (await isSame(owner, adoption, tenant, row)) same += 1;
        else {
          differences += 1;
          if (different.length < NAMED_MAX) different.push({ tenant, row: row.row });
        }
      }
      done += rows.length;
      progress(tenant, done);
      after = rows.at(-1)?.row;
      if (rows.length < PAGE_ROWS) break;
    }
  }
  return { same, pending, different, differences, erased };
}

async function readPage(
  owner: Owner,
  { column, idType, name, table, twin }: Adoption,
  tenant: TenantId,
  after: string | undefined,
): Promise<readonly Compared[]> {
  const id = sql.ref(table.row);
  const tags = table.indexes.map(({ declared }) => sql`, ${sql.ref(declared.column)}`);
  const later = after === undefined ? sql`true` : sql`${id} > ${after}::${idType}`;
  return await asTenant(owner, tenant, async (tx) => {
    const { rows } = await sql<Compared>`
      select ${id}::text as row, ${sql.ref(table.rowKey)} as row_key, ${sql.ref(column)} as plain,
             ${sql.ref(twin)} as sealed ${tags.length === 0 ? sql`` : sql.join(tags, sql``)}
      from ${sql.table(name)} where tenant_id = (select ringwall.tenant()) and ${later}
      order by ${id} limit ${PAGE_ROWS}`.execute(tx);
    return rows;
  });
}

async function isSame(owner: Owner, adoption: Adoption, tenant: TenantId, found: Compared): Promise<boolean> {
  const { table, twin } = adoption;
  const { plain, row, row_key: rowKey, sealed } = found;
  if (plain === null || sealed === null) return plain === null && sealed === null;
  const sealing = owner.fields.table(table);
  const values = await openOrNothing(
    async () => await sealing.open(tenant, { [table.row]: row, [table.rowKey]: rowKey, [twin]: sealed }),
  );
  if (values === undefined || values[twin] !== plain) return false;
  for (const { declared } of table.indexes) {
    const { tags } = await sealing.search(tenant, declared.column, plain);
    const tag = found[declared.column];
    const isTagged = Buffer.isBuffer(tag) && tags.some((one) => one.equals(tag));
    if (!(isTagged || (tag === null && tags.length === 0))) return false;
  }
  return true;
}

/** What does not open is different, whatever the reason. */
async function openOrNothing<T>(open: () => Promise<T>): Promise<T | undefined> {
  try {
    return await open();
  } catch (error) {
    assert(error instanceof Error, "what is thrown is an error");
    if (error instanceof RingwallError && error.code === "keys.decrypt_failed") return undefined;
    throw error;
  }
}
