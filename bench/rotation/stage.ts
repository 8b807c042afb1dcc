import { type PostgresDatabase, postgresBus, postgresDatabase } from "../../src/adapters/postgres/index.ts";
import {
  type Recorder,
  randomBytes,
  silentLogger,
  statement,
  systemClock,
  type TenantId,
  tenantId,
  uuidv7,
} from "../../src/core/index.ts";
import { createFields } from "../../src/data/fields/index.ts";
import { createKeys, databaseKeyStore, KEY_KEEPER, type Keys, softwareMaster } from "../../src/data/keys/index.ts";
import type { RotationParts } from "../../src/data/rotation/index.ts";
import { contextSigner } from "../../src/data/tenants/index.ts";
import type { Cluster } from "../tax/cluster.ts";
import { createRingwallDatabase, targetOf } from "../tax/ringwall/database.ts";

const INSERT_AT_ONCE = 1_000;
const TENANTS_AT_ONCE = 8;
export const TABLE = "bank.customer";

const INSERT = statement(
  "bench.insert_customers",
  `insert into bank.customer (customer_id, user_id, name, national_id, row_key)
   select id::uuid, id::uuid, 'Somebody', decode(sealed, 'base64'), decode(key, 'base64')
     from unnest($1::text[], $2::text[], $3::text[]) as c (id, sealed, key)`,
);
const READ = statement<{ customer_id: string; national_id: Buffer; row_key: Buffer }>(
  "bench.read_customer",
  "select customer_id::text, national_id, row_key from bank.customer where customer_id = $1",
);

/** The measurement is of rewrapping; nobody listens to what is recorded. */
const quiet: Recorder = { record: async () => await Promise.resolve(), note: () => {} };

export type Stage = Awaited<ReturnType<typeof openStage>>;

/** Ringwall's database as `ringwall start` makes it, with the example bank's tables. */
export async function openStage(cluster: Cluster) {
  const at = await createRingwallDatabase(cluster);
  const signer = contextSigner(at.contextKey);
  const open = (access: typeof at.app): PostgresDatabase =>
    postgresDatabase({ target: targetOf(access), signer, clock: systemClock });
  const [app, worker, bank] = [open(at.app), open(at.worker), open(at.bank)];
  const bus = await postgresBus({ target: targetOf(at.app), signer, log: silentLogger });
  const trees: Keys[] = [];
  const tree = async (master: Buffer, ...previous: readonly Buffer[]): Promise<Keys> => {
    const keys = await createKeys({
      master: softwareMaster(Buffer.from(master)),
      previousMasters: previous.map((bytes) => softwareMaster(Buffer.from(bytes))),
      store: databaseKeyStore({ own: app, database: app, recorder: () => undefined }),
      bus,
      clock: systemClock,
    });
    trees.push(keys);
    return keys;
  };
  return {
    superuser: at.superuser,
    tree,
    partsOf: (keys: Keys): RotationParts => ({
      worker,
      keys,
      recorder: quiet,
      clock: systemClock,
      log: silentLogger,
      pace: async () => await Promise.resolve(),
      settleMs: 0,
    }),
    tenants: makeTenants,
    rows: async (keys: Keys, tenant: TenantId, count: number) => await makeRows(bank, { keys, tenant, count }),
    /** Reads one customer as the bank does, and opens the field. */
    async read(keys: Keys, tenant: TenantId, row: string): Promise<string> {
      const fields = createFields({ keys, rowKeysMax: 0 });
      const [found] = await bank.once(tenant, KEY_KEEPER, READ, [row]);
      if (found === undefined) throw new Error("a row is missing");
      const place = { table: TABLE, row, rowKey: found.row_key, column: "national_id" };
      return await fields.open(tenant, place, found.national_id);
    },
    async close(): Promise<void> {
      for (const keys of trees) keys.close();
      await bus.close();
      await Promise.all([app.close(), worker.close(), bank.close()]);
    },
  };
}

/** A key for each of so many tenants, and a value sealed under it. */
async function makeTenants(keys: Keys, count: number): Promise<readonly { tenant: TenantId; sealed: Buffer }[]> {
  const made: { tenant: TenantId; sealed: Buffer }[] = [];
  let next = 0;
  const work = async (): Promise<void> => {
    for (let at = next++; at < count; at = next++) {
      const tenant = tenantId(`tenant-${String(at)}`);
      made.push({ tenant, sealed: await keys.sealValue(tenant, "vault", ["bench"], randomBytes(16)) });
    }
  };
  await Promise.all(Array.from({ length: TENANTS_AT_ONCE }, work));
  return made;
}

/** Customers of one bank, each with a sealed field and a row key. */
async function makeRows(
  bank: PostgresDatabase,
  { count, keys, tenant }: { keys: Keys; tenant: TenantId; count: number },
): Promise<readonly string[]> {
  const fields = createFields({ keys, rowKeysMax: 0 });
  const ids: string[] = [];
  while (ids.length < count) {
    const columns: [string[], string[], string[]] = [[], [], []];
    for (let index = 0; index < INSERT_AT_ONCE; index += 1) {
      const row = uuidv7(systemClock());
      const values = { national_id: "19850412-0057" };
      const { rowKey, sealed } = await fields.sealRow(tenant, { table: TABLE, row, values });
      columns[0].push(row);
      columns[1].push(sealed.national_id.toString("base64"));
      columns[2].push(rowKey.toString("base64"));
    }
    await bank.once(tenant, KEY_KEEPER, INSERT, columns);
    ids.push(...columns[0]);
  }
  return ids;
}
