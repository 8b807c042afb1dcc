import { setTimeout as delay } from "node:timers/promises";
import { type Kysely, sql } from "kysely";
import { wall } from "../../../migrations/index.ts";
import { openSql } from "../../adapters/postgres/index.ts";
import { AssertionFailed, assert, statement, systemClock, type TenantId } from "../../core/index.ts";
import { type TestDatabase, testDatabase } from "../../testing/index.ts";
import { testKeys } from "../../testing/keys.ts";
import { createFields, sealed, sealedTable } from "../fields/index.ts";
import { contextSigner } from "../tenants/index.ts";
import type { Owner } from "./index.ts";

/** What the application declares once it knows of the twin. */
export const CLIENT = sealedTable(
  "shop.client",
  { row: "client_id", rows: 2_000 },
  sealed("ssn_sealed").nullable().equality({ normaliser: "digits" }),
);
export const REQUEST = { table: "shop.client", column: "ssn", equality: "digits", rows: 2_000 } as const;

export interface ClientRow {
  client_id: string;
  ssn: string | null;
  ssn_sealed: Buffer | null;
  row_key: Buffer | null;
}

export const WRITE_PLAIN = statement("test.write_plain", "update shop.client set ssn = $2 where client_id = $1");
export const INSERT_PLAIN = statement("test.insert_plain", "insert into shop.client (client_id, ssn) values ($1, $2)");
export const WRITE_BOTH = statement(
  "test.write_both",
  "update shop.client set ssn = $2, row_key = $3, ssn_sealed = $4, ssn_sealed_eq = $5 where client_id = $1",
);
export const READ_PLAIN = statement<{ ssn: string | null }>(
  "test.read_plain",
  "select ssn from shop.client where client_id = $1",
);
export const READ_BOTH = statement<ClientRow>(
  "test.read_both",
  "select client_id, ssn, ssn_sealed, row_key from shop.client where client_id = $1 for share",
);

export type UpkeepStage = Awaited<ReturnType<typeof upkeepStage>>;

/** `shop.client` with plaintext in two tenants. */
export async function plaintextTable(rowsOfTenant: number) {
  const db: TestDatabase = await testDatabase();
  const sqlOwner = openSql(db.target("ringwall_migrate"));
  const tenants = [await db.createTenant("north"), await db.createTenant("south")];
  await sql`create schema shop`.execute(sqlOwner);
  await sql`grant usage on schema shop to bank_app`.execute(sqlOwner);
  await sql`
    create table shop.client (
      tenant_id text not null default ringwall.tenant(), client_id text not null, ssn text not null,
      primary key (tenant_id, client_id)
    )`.execute(sqlOwner);
  await wall(sqlOwner, "shop.client", { bank_app: ["select", "insert"] });
  // A grant of columns: the twin must become writable by whoever writes the plaintext.
  await sql`grant update (ssn) on shop.client to bank_app`.execute(sqlOwner);
  for (const tenant of tenants) {
    await db.owner.query(
      "insert into shop.client (tenant_id, client_id, ssn) select $1, 'c' || n, '100-00-' || lpad(n::text, 4, '0') from generate_series(1, $2) as n",
      [tenant, rowsOfTenant],
    );
  }
  return { db, sqlOwner, tenants };
}

/** A table of plaintext in two tenants, the role that owns it, and keys. */
export async function upkeepStage(rowsOfTenant: number) {
  const { db, sqlOwner, tenants } = await plaintextTable(rowsOfTenant);
  const { keys } = await testKeys();
  const fields = createFields({ keys });
  const owner = (over: Partial<Owner> = {}): Owner => ({
    db: sqlOwner,
    signer: contextSigner(db.contextKey),
    clock: systemClock,
    fields,
    tenants: async () => await Promise.resolve(tenants),
    wait: async (ms) => {
      await delay(ms);
    },
    signal: new AbortController().signal,
    ...over,
  });
  const as = (tenant: TenantId) => ({ type: "service", tenant, name: "shop" }) as const;
  const clients = fields.table(CLIENT);
  return {
    db,
    fields,
    clients,
    keys,
    tenants,
    owner,
    as,
    /** Reads as an application that knows both: the twin where there is one, else plaintext. */
    async read(tenant: TenantId, id: string): Promise<string | null> {
      const rows = await db.client.once(tenant, as(tenant), READ_BOTH, [id]);
      const [row] = rows;
      assert(row !== undefined, "the client is there");
      if (row.ssn_sealed === null || row.row_key === null) return row.ssn;
      const { client_id, row_key, ssn_sealed } = row;
      return (await clients.open(tenant, { client_id, row_key, ssn_sealed })).ssn_sealed;
    },
    /** Writes as an application that knows both. */
    async writeBoth(tenant: TenantId, id: string, ssn: string): Promise<void> {
      await db.client.forTenant(tenant, as(tenant), async (tx) => {
        const [row] = await tx.run(READ_BOTH, [id]);
        const key = row?.row_key ?? null;
        const cells =
          key === null
            ? await clients.seal(tenant, id, { ssn_sealed: ssn })
            : { row_key: key, ...(await clients.change(tenant, { client_id: id, row_key: key }, { ssn_sealed: ssn })) };
        await tx.run(WRITE_BOTH, [id, ssn, cells.row_key, cells.ssn_sealed ?? null, cells.ssn_sealed_eq ?? null]);
      });
    },
    async close(): Promise<void> {
      await sqlOwner.destroy();
      await db.close();
    },
  };
}

/** What a statement says that the process did not live to make. */
export const CRASH = "the process ended here";

/** The connection, which fails before its `nth` statement as if the process had ended there. */
export function crashingBefore(
  db: Kysely<unknown>,
  nth: number,
): { readonly db: Kysely<unknown>; crashed: () => boolean } {
  let count = 0;
  const crashing = db.withPlugin({
    transformQuery({ node }) {
      count += 1;
      if (count === nth) throw new AssertionFailed(CRASH);
      return node;
    },
    transformResult: async ({ result }) => await Promise.resolve(result),
  });
  return { db: crashing, crashed: () => count >= nth };
}
