import { SecretReference } from "ringwall/core";
import { z } from "zod";
import { CommandFailed } from "../command.ts";
import type { ConfigFile } from "../config-file.ts";

/**
 * The part of the configuration that says which PostgreSQL. Read leniently: the whole of it is checked by the schema
 * of the server; the command line has to know only whom to start and where to migrate.
 */
const DatabaseSection = z.object({
  database: z
    .discriminatedUnion("kind", [
      z.object({ kind: z.literal("embedded") }),
      z.object({
        kind: z.literal("postgres"),
        host: z.string().min(1),
        port: z.int().min(1).max(65_535).default(5_432),
        database: z.string().min(1).default("ringwall"),
        /** The authority that signed the server's certificate, as a PEM file. */
        caFile: z.string().optional(),
        appPassword: SecretReference.optional(),
        workerPassword: SecretReference.optional(),
        /** The password of ringwall_migrate. Needed by `migrate` and `doctor` alone; servers do without. */
        migratePassword: SecretReference.optional(),
      }),
    ])
    .default({ kind: "embedded" }),
});
export type DatabaseTarget = z.output<typeof DatabaseSection>["database"];

/** @throws CommandFailed that names the fields at fault, never their values. */
export function databaseTarget(config: ConfigFile): DatabaseTarget {
  const parsed = DatabaseSection.safeParse(config.content);
  if (parsed.success) return parsed.data.database;
  const fields = [...new Set(parsed.error.issues.map((issue) => issue.path.join(".")))];
  throw new CommandFailed(`${config.path}: ${fields.join(", ")} cannot be read`, {
    wayOut: "ringwall doctor checks the whole file.",
  });
}

export function usesEmbeddedDatabase(config: ConfigFile): boolean {
  return databaseTarget(config).kind === "embedded";
}
