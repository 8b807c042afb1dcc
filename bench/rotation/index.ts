/**
 * The rotation area: how fast keys and row keys are wrapped anew while somebody reads, and how many reads fail.
 *
 * A master rotation over 10,000 tenants and one tenant's over 100,000 rows, on a durable PostgreSQL, unpaced. The peer is
 * PostgreSQL alone: the same rows updated in the same batches, as superuser, without wall, context or cryptography. A
 * reader opens random values the whole time; a failed read is counted, and more than none is no result.
 *
 * @module
 */
import { Client } from "pg";
import { randomBytes, systemClock, tenantId } from "../../src/core/index.ts";
import { KEY_KEEPER } from "../../src/data/keys/index.ts";
import { openMasterJob, openRowsJob, rewrapMasterKeys, rewrapRows } from "../../src/data/rotation/index.ts";
import type { BenchArea, BenchOptions, BenchResult } from "../result.ts";
import { compare } from "../result.ts";
import { type Cluster, startCluster } from "../tax/cluster.ts";
import { openStage, type Stage } from "./stage.ts";

const TENANTS = 10_000;
const ROWS = 100_000;
/** As many as the rewrapping takes at a time. */
const BATCH = 250;
const PEER = "PostgreSQL's UPDATE alone";

interface Reader {
  readonly reads: number;
  readonly failed: number;
}

/** Reads until `work` is done. */
async function whileReading<T>(read: () => Promise<unknown>, work: () => Promise<T>): Promise<{ value: T } & Reader> {
  const state = { done: false, reads: 0, failed: 0 };
  const reading = (async () => {
    while (!state.done) {
      try {
        await read();
      } catch {
        state.failed += 1;
      }
      state.reads += 1;
    }
  })();
  try {
    const value = await work();
    return { value, reads: state.reads, failed: state.failed };
  } finally {
    state.done = true;
    await reading;
  }
}

function pick<Item>(from: readonly Item[]): Item | undefined {
  return from[randomBytes(4).readUInt32BE() % from.length];
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const startedMs = systemClock();
  await work();
  return (systemClock() - startedMs) / 1_000;
}

async function masterRotation(stage: Stage, progress: BenchOptions["progress"]): Promise<BenchResult[]> {
  progress(`master: making keys of ${String(TENANTS)} tenants`);
  const [old, fresh] = [randomBytes(32), randomBytes(32)];
  const tenants = await stage.tenants(await stage.tree(old), TENANTS);
  const keys = await stage.tree(fresh, old);
  const parts = stage.partsOf(keys);
  const reader = await stage.tree(fresh, old);
  progress("master: rotating");
  const { failed, reads, value } = await whileReading(
    async () => {
      const { sealed, tenant } = pick(tenants) ?? {};
      if (tenant !== undefined && sealed !== undefined) await reader.openValue(tenant, "vault", ["bench"], sealed);
    },
    async () => {
      let done = 0;
      const seconds = await timed(async () => {
        done = (await rewrapMasterKeys(parts, await openMasterJob(parts))).done;
      });
      return { done, seconds };
    },
  );
  const peer = await peerMasters(stage);
  const note = `${String(value.done)} keys of ${String(TENANTS)} tenants, software master`;
  return [
    compare("rotation.master", "keys/s", value.done / value.seconds, PEER, peer, note),
    compare("rotation.master.reads", "failed", failed, "reads meanwhile", reads, note),
  ];
}

async function tenantRotation(stage: Stage, progress: BenchOptions["progress"]): Promise<BenchResult[]> {
  const master = randomBytes(32);
  const keys = await stage.tree(master);
  const tenant = tenantId("northbank");
  progress(`rows: sealing ${String(ROWS)}`);
  const ids = await stage.rows(keys, tenant, ROWS);
  const peer = await peerRows(stage, tenant);
  const reader = await stage.tree(master);
  const parts = stage.partsOf(keys);
  progress("rows: rotating");
  const { failed, reads, value } = await whileReading(
    async () => await stage.read(reader, tenant, pick(ids) ?? ""),
    async () => {
      let done = 0;
      const seconds = await timed(async () => {
        await keys.rotate(tenant, "data", KEY_KEEPER);
        done = (await rewrapRows(parts, await openRowsJob(parts, tenant))).done;
      });
      return { done, seconds };
    },
  );
  const note = `${String(value.done)} rows of one tenant, batches of ${String(BATCH)}`;
  return [
    compare("rotation.rows", "rows/s", value.done / value.seconds, PEER, peer, note),
    compare("rotation.rows.reads", "failed", failed, "reads meanwhile", reads, note),
  ];
}

/** One small update for each key, four at once, as the rewrapping does. */
async function peerMasters(stage: Stage): Promise<number> {
  const clients = await Promise.all(
    Array.from({ length: 4 }, async () => {
      const client = new Client(stage.superuser);
      await client.connect();
      return client;
    }),
  );
  const { rows } = await (clients[0] ?? new Client()).query<{ tenant_id: string; purpose: string }>(
    "select tenant_id, purpose from ringwall.tenant_key order by tenant_id",
  );
  const count = rows.length;
  const seconds = await timed(async () => {
    await Promise.all(
      clients.map(async (client) => {
        for (let row = rows.pop(); row !== undefined; row = rows.pop()) {
          await client.query({
            name: "peer",
            text: "update ringwall.tenant_key set wrapped_at = now() where tenant_id = $1 and purpose = $2",
            values: [row.tenant_id, row.purpose],
          });
        }
      }),
    );
  });
  await Promise.all(clients.map((client) => client.end()));
  return count / seconds;
}

/** The same column of the same rows, in batches of the same size along the key, each committed by itself. */
async function peerRows(stage: Stage, tenant: string): Promise<number> {
  const client = new Client(stage.superuser);
  await client.connect();
  let done = 0;
  let after = "00000000-0000-0000-0000-000000000000";
  const seconds = await timed(async () => {
    for (;;) {
      const { rows } = await client.query<{ id: string }>({
        name: "peer-rows",
        text: `update bank.customer c set row_key = c.row_key
                 from (select tenant_id, customer_id from bank.customer
                        where tenant_id = $1 and customer_id > $2 order by customer_id limit $3 for update) t
                where c.tenant_id = t.tenant_id and c.customer_id = t.customer_id returning c.customer_id::text as id`,
        values: [tenant, after, BATCH],
      });
      if (rows.length === 0) break;
      done += rows.length;
      after = rows.map(({ id }) => id).reduce((left, right) => (left > right ? left : right));
    }
  });
  await client.end();
  return done / seconds;
}

async function run({ progress, signal }: BenchOptions): Promise<readonly BenchResult[]> {
  const results: BenchResult[] = [];
  // A database for each: the second rotation must not carry the first one's ten thousand keys.
  for (const measure of [masterRotation, tenantRotation]) {
    signal.throwIfAborted();
    const cluster: Cluster = await startCluster();
    try {
      const stage = await openStage(cluster);
      try {
        results.push(...(await measure(stage, progress)));
      } finally {
        await stage.close();
      }
    } finally {
      await cluster.stop();
    }
  }
  return results;
}

export const rotationArea: BenchArea = {
  summary: "master rotation of 10,000 tenants and tenant rotation of 100,000 rows, with a reader meanwhile",
  run,
};
