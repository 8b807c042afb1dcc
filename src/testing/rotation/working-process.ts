/**
 * A process of its own over a test's database: `node working-process.ts`, then one JSON order on stdin. Says `begun`, does
 * the work that is ordered, says `done`. For tests that kill it at any moment and begin again.
 */
import { once } from "node:events";
import { createInterface } from "node:readline";
import { setTimeout as delay } from "node:timers/promises";
import { openSql, postgresBus, postgresDatabase } from "../../adapters/postgres/index.ts";
import { PlainSecret, type Recorder, silentLogger, systemClock, tenantId } from "../../core/index.ts";
import { createFields } from "../../data/fields/index.ts";
import { createKeys, databaseKeyStore, softwareMaster } from "../../data/keys/index.ts";
import { openMasterJob, openRowsJob, rewrapMasterKeys, rewrapRows } from "../../data/rotation/index.ts";
import { contextSigner } from "../../data/tenants/index.ts";
import { adopt } from "../../data/upkeep/index.ts";

interface Place {
  readonly host: string;
  readonly port: number;
  readonly database: string;
  readonly user: string;
  readonly password: string;
}

/** What a test orders. The first of the masters is the one in use. */
export interface WorkOrder {
  readonly work: "rows" | "master" | "adopt";
  readonly app: Place;
  readonly worker: Place;
  readonly migrate: Place;
  readonly contextKey: { readonly kid: string; readonly keyHex: string };
  readonly mastersHex: readonly string[];
  readonly tenants: readonly string[];
}

/** Long enough between batches that a kill falls into the middle of the work and not always before or after it. */
const PACE_MS = 10;

const lines = createInterface({ input: process.stdin });
const [line] = (await once(lines, "line")) as [string];
// The test that started this process wrote it a moment ago.
const order = JSON.parse(line) as WorkOrder;
const tenants = order.tenants.map(tenantId);
const signer = contextSigner({ kid: order.contextKey.kid, key: Buffer.from(order.contextKey.keyHex, "hex") });
const targetOf = ({ password, ...place }: Place) => ({
  ...place,
  credential: async () => await Promise.resolve(new PlainSecret(password)),
});
const database = postgresDatabase({ target: targetOf(order.app), signer, clock: systemClock });
const worker = postgresDatabase({ target: targetOf(order.worker), signer, clock: systemClock });
const bus = await postgresBus({ target: targetOf(order.app), signer, log: silentLogger });
const [master, ...previousMasters] = order.mastersHex.map((hex) => softwareMaster(Buffer.from(hex, "hex")));
if (master === undefined) throw new Error("an order names a master key");
const keys = await createKeys({
  master,
  previousMasters,
  store: databaseKeyStore({ own: database, database, recorder: () => undefined }),
  bus,
  clock: systemClock,
});
const recorder: Recorder = { record: async () => await Promise.resolve(), note: () => {} };
const pace = async (): Promise<void> => await delay(PACE_MS);
const parts = { worker, keys, recorder, clock: systemClock, log: silentLogger, pace, settleMs: 0 };

process.stdout.write("begun\n");
if (order.work === "master") await rewrapMasterKeys(parts, await openMasterJob(parts));
else if (order.work === "rows") {
  for (const tenant of tenants) await rewrapRows(parts, await openRowsJob(parts, tenant));
} else {
  const db = openSql(targetOf(order.migrate));
  const owner = {
    db,
    signer,
    clock: systemClock,
    fields: createFields({ keys }),
    tenants: async () => await Promise.resolve(tenants),
    wait: async (ms: number) => await delay(ms),
    signal: new AbortController().signal,
  };
  await adopt(owner, { table: "shop.client", column: "ssn", equality: "digits", rows: 2_000 }, "drop");
  await db.destroy();
}
process.stdout.write("done\n");
keys.close();
await bus.close();
await worker.close();
await database.close();
lines.close();
