import type { KeyObject } from "node:crypto";
import { existsSync } from "node:fs";
import { join } from "node:path";
import type { RingwallConfig } from "ringwall";
import { createAuditKeyFile, fileHeadStore, readAuditKeyFile } from "ringwall/adapters/files";
import { type PostgresDatabase, postgresDatabase } from "ringwall/adapters/postgres";
import { type Clock, type Logger, RingwallError } from "ringwall/core";
import type { ContextSigner } from "ringwall/data/tenants";
import { createSequencer, HeadVerifier, headSigner, type SequencerStatus } from "ringwall/monitoring/audit";
import { type Runtime, targetOf } from "ringwall/supervised";

export interface RunningSequencer {
  /** The public half of the key that signs heads. */
  readonly publicKey: KeyObject;
  readonly status: () => SequencerStatus;
  stop(): Promise<void>;
}

/** Chains and signs the audit log, as `ringwall_worker`, which can do this and nothing else. */
export async function startSequencer(
  runtime: Runtime,
  config: RingwallConfig,
  parts: { signer: ContextSigner; log: Logger; clock: Clock },
): Promise<RunningSequencer> {
  const { audit } = config.monitoring;
  const signer = headSigner(await readAuditKeyFile(await keyFile(runtime, config)));
  const heads = await fileHeadStore(audit.headsFolder ?? join(runtime.dataDir, "audit-heads"));
  const target = await targetOf(runtime, config, "ringwall_worker");
  const database: PostgresDatabase = postgresDatabase({
    target,
    signer: parts.signer,
    clock: parts.clock,
    connectionsMax: 2,
  });
  const verifier = new HeadVerifier([signer.publicKey]);
  const sequencer = createSequencer({
    database,
    signer,
    verifier,
    heads,
    clock: parts.clock,
    config: audit,
    log: parts.log,
  });
  try {
    await sequencer.start();
  } catch (error) {
    await database.close();
    throw error;
  }
  return {
    publicKey: signer.publicKey,
    status: () => sequencer.status(),
    async stop() {
      await sequencer.stop();
      await database.close();
    },
  };
}

/** The signing key's file. Development makes one; production names its own, kept where the database's owner is not. */
async function keyFile(runtime: Runtime, config: RingwallConfig): Promise<string> {
  const { signingKey } = config.monitoring.audit;
  if (signingKey?.startsWith("file:") === true) return signingKey.slice("file:".length);
  if (signingKey !== undefined || config.mode === "production") {
    throw new RingwallError("config.invalid", { message: "monitoring.audit.signingKey must name a file: file:/path" });
  }
  const file = join(runtime.dataDir, "secrets", "audit.key");
  if (!existsSync(file)) await createAuditKeyFile(file);
  return file;
}
