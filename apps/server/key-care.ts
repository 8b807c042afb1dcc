import { existsSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import type { Ringwall, RingwallConfig } from "ringwall";
import { createAuditKeyFile, fileErasureLedger, readAuditKeyFile } from "ringwall/adapters/files";
import { postgresDatabase } from "ringwall/adapters/postgres";
import { type Clock, type Database, type Logger, RingwallError } from "ringwall/core";
import { createErasures, type Erasures, erasureSigner } from "ringwall/data/erasure";
import {
  createKeyAdministration,
  createKeyScheduler,
  jobProgress,
  type KeyAdministration,
  type KeyAgeMetric,
  type KeyProgress,
  type KeyScheduler,
  type RotationParts,
} from "ringwall/data/rotation";
import { type ContextSigner, deletionRunner } from "ringwall/data/tenants";
import { type Runtime, targetOf } from "ringwall/supervised";

const ROUND_MS = 30_000;
const ROWS_PER_SECOND = 2_000;
const CONNECTIONS_MAX = 6;

/** How old keys are and how far rewrapping is; no tenant is named. */
export interface KeyNumbers {
  readonly ages: readonly KeyAgeMetric[];
  readonly progress: readonly KeyProgress[];
}

/** Looks after the keys while the server runs. */
export interface KeyCare {
  readonly administration: KeyAdministration;
  readonly erasures: Erasures;
  readonly scheduler: KeyScheduler;
  /** Looks at once for deletions of tenants that are due, instead of at the next round. */
  wake(): void;
  /** For a metrics endpoint; ages are empty on a node that does not hold the lease. */
  numbers(): Promise<KeyNumbers>;
  stop(): Promise<void>;
}

/** Connects as `ringwall_worker`, carries the erasure ledger out, then looks after keys in the background. */
export async function startKeyCare(
  runtime: Runtime,
  config: RingwallConfig,
  parts: {
    readonly ringwall: Pick<Ringwall, "database" | "keys" | "recorder">;
    readonly signer: ContextSigner;
    readonly log: Logger;
    readonly clock: Clock;
  },
): Promise<KeyCare> {
  const { clock, log, ringwall, signer } = parts;
  const target = await targetOf(runtime, config, "ringwall_worker");
  const worker = postgresDatabase({ target, signer, clock, connectionsMax: CONNECTIONS_MAX });
  try {
    const erasures = createErasures({
      worker,
      recorder: ringwall.recorder,
      ledger: await fileErasureLedger(config.data?.erasure.ledgerFile ?? ledgerFile(runtime.dataDir)),
      signer: erasureSigner(await readAuditKeyFile(await keyFile(runtime, config))),
      clock,
      log,
    });
    await erasures.replay();
    const rowsPerSecondMax = config.data?.rotation.rowsPerSecondMax ?? ROWS_PER_SECOND;
    return runKeyCare({ worker, erasures, clock, log, rowsPerSecondMax, ...ringwall });
  } catch (error) {
    await worker.close();
    throw error;
  }
}

/** Keys, erasures and a scheduler over a worker's connections, which it takes over. */
export function runKeyCare(parts: {
  /** As `ringwall_app`, which keeps the register of tenants. */
  readonly database: Database;
  readonly worker: Database;
  readonly erasures: Erasures;
  readonly keys: Ringwall["keys"];
  readonly recorder: Ringwall["recorder"];
  readonly clock: Clock;
  readonly log: Logger;
  readonly rowsPerSecondMax: number;
}): KeyCare {
  const { erasures, log, rowsPerSecondMax, worker } = parts;
  const ending = new AbortController();
  const rotation: RotationParts = {
    ...parts,
    pace: async (rows) => {
      ending.signal.throwIfAborted();
      await delay((rows / rowsPerSecondMax) * 1_000, undefined, { signal: ending.signal });
    },
  };
  let wake = (): void => {};
  const scheduler = createKeyScheduler(rotation);
  const deletions = deletionRunner({ ...parts, pace: rotation.pace });
  const administration = createKeyAdministration(rotation, () => wake());
  const running = run();

  async function run(): Promise<void> {
    while (!ending.signal.aborted) {
      // Woken while it works, it looks again at once.
      const woken = new Promise<void>((resolve) => {
        wake = resolve;
      });
      try {
        // One node at a time: whoever holds the lease of key care.
        if ((await scheduler.tick()).held && (await deletions.tick())) wake();
      } catch (error) {
        if (!ending.signal.aborted) log.error({ err: error }, "a round of looking after keys and deletions failed");
      }
      const pause = new AbortController();
      const ended = AbortSignal.any([ending.signal, pause.signal]);
      await Promise.race([woken, delay(ROUND_MS, undefined, { signal: ended, ref: false }).catch(() => {})]);
      pause.abort();
    }
  }

  return {
    administration,
    erasures,
    scheduler,
    wake: () => wake(),
    numbers: async () => ({ ages: scheduler.metrics(), progress: await jobProgress(worker) }),
    async stop() {
      ending.abort(new Error("the server ends"));
      await running;
      // Whoever ends without saying so is waited for until its lease is over.
      await scheduler
        .release()
        .catch((error: unknown) => log.warn({ err: error }, "the lease of key care was not given back"));
      await worker.close();
    },
  };
}

/** Where the ledger is unless the configuration says otherwise: beside the database's folder and not in it. */
function ledgerFile(dataDir: string): string {
  return join(dataDir, "erasures", "erasures.jsonl");
}

/** The signing key's file. Development makes one; production names its own, or keeps the one of the data directory. */
async function keyFile(runtime: Runtime, config: RingwallConfig): Promise<string> {
  const named = config.data?.erasure.signingKey;
  if (named?.startsWith("file:") === true) return named.slice("file:".length);
  if (named !== undefined) {
    throw new RingwallError("config.invalid", { message: "data.erasure.signingKey must name a file: file:/path" });
  }
  const file = join(runtime.dataDir, "secrets", "erasure.key");
  if (!existsSync(file)) await createAuditKeyFile(file);
  return file;
}
