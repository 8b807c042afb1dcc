import { assert, isoTime, isTenantId, PLATFORM_TENANT, RingwallError } from "../../core/index.ts";
import { KEY_KEEPER, type KeyPurpose, type WrappedKey } from "../keys/index.ts";
import { type KeyJob, openJob, type RotationParts, readJob } from "./jobs.ts";
import { ADVANCE, COUNT_ELSEWHERE, ELSEWHERE, type ElsewhereRow, REWRAP, SETTLE } from "./statements.ts";

/** Keys read at a time, and how many of them are wrapped at once: a KMS answers in tens of milliseconds. */
const BATCH_KEYS = 200;
const AT_ONCE = 4;

/** How many keys a master key other than the one in use still wraps. The old one is needed until it is none. */
export async function countElsewhere({ keys, worker }: Pick<RotationParts, "keys" | "worker">): Promise<number> {
  const [row] = await worker.once(PLATFORM_TENANT, KEY_KEEPER, COUNT_ELSEWHERE, [keys.masterId]);
  return Number(row?.count ?? 0);
}

/** Opens the job that wraps every key under the master key in use. */
export async function openMasterJob(parts: RotationParts): Promise<KeyJob> {
  const total = await countElsewhere(parts);
  return await openJob(parts, { tenant: PLATFORM_TENANT, work: "master", target: parts.keys.masterId, total });
}

/**
 * Wraps every key under the master key in use, one small update each. A key is opened again under the new master before
 * the old form is replaced, and replaced only while it is still what was opened. The keys themselves stay the same, so
 * nothing that is cached has to be forgotten and readers notice nothing.
 */
export async function rewrapMasterKeys(parts: RotationParts, job: KeyJob): Promise<KeyJob> {
  const { clock, keys, recorder, worker } = parts;
  let after: readonly [string, string, number] = ["", "", 0];
  for (;;) {
    const values = [keys.masterId, ...after, BATCH_KEYS];
    const found = await worker.once(PLATFORM_TENANT, KEY_KEEPER, ELSEWHERE, values);
    const last = found.at(-1);
    if (last === undefined) break;
    const done = await rewrapAll(parts, found);
    await worker.forTenant(PLATFORM_TENANT, KEY_KEEPER, async (tx) => {
      await tx.run(ADVANCE, [job.id, done, "", null, isoTime(clock())]);
    });
    after = [last.tenant_id, last.purpose, last.version];
    await parts.pace(found.length);
  }
  const left = await countElsewhere(parts);
  await worker.forTenant(PLATFORM_TENANT, KEY_KEEPER, async (tx) => {
    await tx.run(SETTLE, [job.id, left === 0, left, isoTime(clock())]);
    if (left > 0) return;
    await recorder.record(tx, {
      action: "key.rewrapped",
      outcome: "success",
      tenant: PLATFORM_TENANT,
      actor: KEY_KEEPER,
      targets: [{ type: "key", id: "master" }],
      facts: { work: "master", master: keys.masterId },
    });
  });
  return await readJob(worker, PLATFORM_TENANT, job.id);
}

async function rewrapAll(parts: RotationParts, found: readonly ElsewhereRow[]): Promise<number> {
  const waiting = [...found];
  let done = 0;
  const work = async (): Promise<void> => {
    for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
      if (await rewrapOne(parts, next)) done += 1;
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  return done;
}

async function rewrapOne({ keys, log, worker }: RotationParts, row: ElsewhereRow): Promise<boolean> {
  const { commitment, master_id: masterId, purpose, tenant_id: tenant, version, wrapped } = row;
  assert(isTenantId(tenant), "a key belongs to a tenant");
  // The purpose is what was stored; a name that is none of ours makes a context that opens nothing.
  const key: WrappedKey = { tenant, purpose: purpose as KeyPurpose, version, masterId, wrapped, commitment };
  try {
    const fresh = await keys.rewrap(key);
    const values = [purpose, version, wrapped, fresh.masterId, fresh.wrapped];
    const changed = await worker.once(tenant, KEY_KEEPER, REWRAP, values);
    return changed.length === 1;
  } catch (error) {
    const isLost =
      error instanceof RingwallError && ["keys.decrypt_failed", "keys.master_refused"].includes(error.code);
    if (!isLost) throw error;
    log.error({ tenant, purpose, version, master: masterId }, "a key does not open and was left as it is");
    return false;
  }
}
