import { z } from "zod";
import { SecretReference } from "../../core/index.ts";

/**
 * What an operator may set about audit. Every figure has a bound on both sides: a batch too small cannot keep up, and
 * one too large holds the sequencer's row lock for longer than the lease that protects it.
 */
export const MonitoringConfig = z.strictObject({
  audit: z
    .strictObject({
      /** The private key that signs heads: a 0600 file outside the database. Composition names one below the data folder. */
      signingKey: SecretReference.optional(),
      /** The folder of head copies. Best on a disk that the database's administrator cannot write to. */
      headsFolder: z.string().min(1).max(1_024).optional(),
      /** Outbox rows taken at once by the sequencer. */
      batchSize: z.int().min(1).max(4_096).default(256),
      /** How long the sequencer rests when the outbox was empty. */
      pollMs: z.int().min(10).max(10_000).default(200),
      /** How long a silent sequencer keeps its place before another node may take over. */
      leaseMs: z.int().min(1_000).max(60_000).default(5_000),
      /** A tenant's head is signed at most this often: each signature is a row and a line that stay for ever. */
      signMs: z.int().min(0).max(60_000).default(1_000),
      /** How often noted reads and refusals are made durable, and the span over which equal ones are one record. */
      noteMs: z.int().min(100).max(2_000).default(1_000),
      /** Different noted events one tenant may have waiting; further ones are only counted. */
      notesPerTenantMax: z.int().min(16).max(20_000).default(2_000),
      /** Different noted events waiting in this process, all tenants together. */
      notesMax: z.int().min(64).max(200_000).default(20_000),
    })
    .prefault({}),
  /** Serves `/metrics` at a port of loopback too, for a collector that cannot open the admin socket. It asks for no credential. */
  metrics: z.strictObject({ port: z.int().min(1).max(65_535) }).optional(),
});
export type MonitoringConfig = z.output<typeof MonitoringConfig>;
/** The settings of recorder and sequencer, with their defaults filled in. */
export type AuditConfig = MonitoringConfig["audit"];
