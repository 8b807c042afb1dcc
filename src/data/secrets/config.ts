import { z } from "zod";
import { isSecretName } from "./name.ts";

/** How a secret is rotated: what kind of place uses it, and where that is. More kinds come with more adapters. */
const RotationConfig = z.discriminatedUnion("kind", [
  z.strictObject({
    kind: z.literal("postgres-password"),
    /** The login role of Ringwall's own database whose password the secret is. It changes its password itself. */
    role: z.string().regex(/^[a-z_][a-z0-9_]{0,62}$/, "must be the name of a role"),
  }),
]);

/** Rotations that one installation sets up: each is a person's work to write, so this is a bound on mistakes. */
const ROTATIONS_MAX = 1_000;

/**
 * Layer 4's part of the configuration about secrets.
 * @example { rotations: { "bank/database-password": { kind: "postgres-password", role: "bank_app" } } }
 */
export const SecretsConfig = z.strictObject({
  /** By the secret's name in the global scope, which is the platform's. A secret that is not named cannot be rotated. */
  rotations: z
    .record(z.string().refine(isSecretName, "must be the name of a secret"), RotationConfig)
    .refine((rotations) => Object.keys(rotations).length <= ROTATIONS_MAX, "are too many")
    .default({}),
});
export type SecretsConfig = z.output<typeof SecretsConfig>;
