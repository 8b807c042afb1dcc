import { isoTime, RingwallError, type TenantId, type Transaction } from "../../core/index.ts";
import { KEY_KEEPER } from "../keys/index.ts";
import { type KeyJob, openJob, type RotationParts, readJob } from "./jobs.ts";
import { ADVANCE, COUNT_ROWS, LIST_KEYS, PLACES, PUT_ROWS, RETIRE, REVIVE, SETTLE, TAKE_ROWS } from "./statements.ts";

/** Rows locked at a time: some ten milliseconds of work, in which whoever wants one of them waits. */
const BATCH_ROWS = 250;
/** Rows that were locked are taken up in the next pass; after so many the rest waits for another run. */
const PASSES_MAX = 3;
/** As long as a key is cached at most. */
export const SETTLE_MS = 300_000;

/**
 * Opens the job that wraps a tenant's row keys under its newest data key.
 * @param options.revive - Takes retired versions back into use first, after a backup older than their retirement was
 * restored: its rows may need them.
 */
export async function openRowsJob(
  parts: RotationParts,
  tenant: TenantId,
  options: { readonly revive?: boolean } = {},
): Promise<KeyJob> {
  const { keys, worker } = parts;
  if (options.revive === true) {
    await worker.forTenant(tenant, KEY_KEEPER, async (tx) => {
      const revived = await tx.run(REVIVE);
      if (revived.length > 0) tx.invalidate({ kind: "key", tenant, id: "data" });
    });
  }
  const { version } = await keys.current(tenant, "data");
  const total = await worker.forTenant(tenant, KEY_KEEPER, async (tx) => await countLeft(tx, version));
  return await openJob(parts, { tenant, work: "rows", target: String(version), total });
}

/**
 * Wraps a tenant's row keys under the job's version, batch by batch: each batch, its progress and the place to go on from
 * commit together, so whatever ends this process is finished by the next run. Readers find a row's record under the old
 * version or the new one, and both open.
 *
 * Old versions are retired when no row refers to them, and never before.
 */
export async function rewrapRows(parts: RotationParts, job: KeyJob): Promise<KeyJob> {
  const { worker } = parts;
  const version = Number(job.target);
  let { place: atPlace, row: atRow } = job.at;
  for (let pass = 1; pass <= PASSES_MAX; pass += 1) {
    const places = await worker.once(job.tenant, KEY_KEEPER, PLACES);
    for (const { place } of places) {
      if (place < atPlace) continue;
      await rewrapTable(parts, { job, place, version, after: place === atPlace ? atRow : null });
    }
    [atPlace, atRow] = ["", null];
    const left = await worker.forTenant(job.tenant, KEY_KEEPER, async (tx) => await countLeft(tx, version));
    if (left === 0) break;
  }
  await settle(parts, job, version);
  return await readJob(worker, job.tenant, job.id);
}

interface Stretch {
  readonly job: KeyJob;
  readonly place: string;
  readonly version: number;
  readonly after: string | null;
}

async function rewrapTable(parts: RotationParts, stretch: Stretch): Promise<void> {
  let { after } = stretch;
  for (;;) {
    const from = after;
    const rows = await parts.worker.forTenant(
      stretch.job.tenant,
      KEY_KEEPER,
      async (tx) => await rewrapBatch(parts, { ...stretch, after: from }, tx),
    );
    const last = rows.at(-1);
    if (last === undefined) return;
    after = last.row_id;
    await parts.pace(rows.length);
  }
}

/** One transaction: the rows stay locked while their keys are wrapped, so nobody changes them in between. */
async function rewrapBatch(
  parts: RotationParts,
  { after, job, place, version }: Stretch,
  tx: Transaction,
): Promise<readonly { row_id: string; record: Buffer }[]> {
  const rows = await tx.run(TAKE_ROWS, [place, version, after, BATCH_ROWS]);
  const ids: string[] = [];
  const stale: string[] = [];
  const fresh: string[] = [];
  for (const { record, row_id } of rows) {
    const wrapped = await rewrapOne(parts, job.tenant, { table: place, row: row_id }, record);
    if (wrapped === undefined) continue;
    ids.push(row_id);
    stale.push(record.toString("base64"));
    fresh.push(wrapped.toString("base64"));
  }
  const last = rows.at(-1);
  if (last === undefined) return rows;
  const [put] = ids.length === 0 ? [] : await tx.run(PUT_ROWS, [place, ids, stale, fresh]);
  await tx.run(ADVANCE, [job.id, Number(put?.changed ?? 0), place, last.row_id, isoTime(parts.clock())]);
  return rows;
}

/** Undefined for a record that does not open: it stays as it is, its version stays in use, and the log says which. */
async function rewrapOne(
  { keys, log }: RotationParts,
  tenant: TenantId,
  place: { readonly table: string; readonly row: string },
  record: Buffer,
): Promise<Buffer | undefined> {
  try {
    return await keys.rewrapRow(tenant, place, record);
  } catch (error) {
    if (!(error instanceof RingwallError) || error.code !== "keys.decrypt_failed") throw error;
    log.error({ tenant, ...place }, "a row key does not open and was left as it is");
    return undefined;
  }
}

/** Done when nothing is left and nobody can be sealing with an older version any more; else it waits. */
async function settle(parts: RotationParts, job: KeyJob, version: number): Promise<void> {
  const { clock, recorder, settleMs = SETTLE_MS, worker } = parts;
  const { tenant } = job;
  await worker.forTenant(tenant, KEY_KEEPER, async (tx) => {
    const left = await countLeft(tx, version);
    const made = (await tx.run(LIST_KEYS)).find((key) => key.purpose === "data" && key.version === version);
    const isSettled = left === 0 && made !== undefined && clock() - Number(made.made_ms) >= settleMs;
    await tx.run(SETTLE, [job.id, isSettled, left, isoTime(clock())]);
    if (!isSettled) return;
    await tx.run(RETIRE, [version]);
    tx.invalidate({ kind: "key", tenant, id: "data" });
    await recorder.record(tx, {
      action: "key.rewrapped",
      outcome: "success",
      tenant,
      actor: KEY_KEEPER,
      targets: [{ type: "key", id: "data" }],
      facts: { work: "rows", version },
    });
  });
}

/** Rows of all registered tables whose key is wrapped under an older version. */
async function countLeft(tx: Transaction, version: number): Promise<number> {
  let left = 0;
  for (const { place } of await tx.run(PLACES)) {
    const [row] = await tx.run(COUNT_ROWS, [place, version]);
    left += Number(row?.count ?? 0);
  }
  return left;
}
