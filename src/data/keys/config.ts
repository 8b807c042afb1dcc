import { z } from "zod";

/**
 * The data layer's part of the configuration.
 *
 * `masterKey` has one kind so far; a KMS or an HSM will be another `kind`, and a field of one kind is an error in
 * another. `cacheSeconds` bounds how long an unwrapped key or a read secret is kept in this process.
 */
export const DataConfig = z.strictObject({
  masterKey: z.discriminatedUnion("kind", [
    z.strictObject({
      kind: z.literal("software"),
      /** Path of the 0600 file. Keep it apart from the database's backups: whoever has both reads everything. */
      file: z.string().min(1).max(4_096),
      /** In production a key that a file holds is refused unless this says otherwise. */
      allowInProduction: z.boolean().default(false),
    }),
  ]),
  cacheSeconds: z.int().min(1).max(3_600).default(300),
});
export type DataConfig = z.output<typeof DataConfig>;
