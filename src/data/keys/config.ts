import { z } from "zod";

const MasterKeyConfig = z.discriminatedUnion("kind", [
  z.strictObject({
    kind: z.literal("software"),
    /** Path of the 0600 file. Keep it apart from the database's backups: whoever has both reads everything. */
    file: z.string().min(1).max(4_096),
    /** In production a key that a file holds is refused unless this says otherwise. */
    allowInProduction: z.boolean().default(false),
  }),
]);

/** A rotation needs the one before; more are there while an interrupted one is finished. */
const PREVIOUS_MASTERS_MAX = 4;

/**
 * The data layer's part of the configuration.
 *
 * `masterKey` has one kind so far; a KMS or an HSM will be another `kind`, and a field of one kind is an error in
 * another. `cacheSeconds` bounds how long an unwrapped key or a read secret is kept in this process.
 */
export const DataConfig = z.strictObject({
  masterKey: MasterKeyConfig,
  /** Master keys that were in use before, until `ringwall keys status` says that nothing refers to them. */
  previousMasterKeys: z.array(MasterKeyConfig).max(PREVIOUS_MASTERS_MAX).default([]),
  cacheSeconds: z.int().min(1).max(3_600).default(300),
  rotation: z
    .strictObject({
      /** Row keys wrapped anew a second at most, so that the work does not crowd out what people do. */
      rowsPerSecondMax: z.int().min(10).max(1_000_000).default(2_000),
    })
    .prefault({}),
  erasure: z
    .strictObject({
      /** Signs erasure orders and certificates: `file:` and the path of a 0600 PEM file with an Ed25519 key. */
      signingKey: z.string().max(4_096).optional(),
      /** Where the ledger is kept; outside of what a restore of the database brings back. */
      ledgerFile: z.string().max(4_096).optional(),
    })
    .prefault({}),
});
export type DataConfig = z.output<typeof DataConfig>;
