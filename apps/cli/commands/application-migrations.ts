import { pathToFileURL } from "node:url";
import type { ApplicationMigrations, Migration } from "ringwall/migrations";
import { z } from "zod";
import { CommandFailed } from "../command.ts";

// What a module that says nothing else is counted under.
const DEFAULT_APPLICATION = "application";

const Up = z.custom<Migration["up"]>((value) => typeof value === "function", "is not a function");
const Module = z.object({
  APPLICATION: z
    .string()
    .regex(/^[a-z][a-z0-9_]{0,62}$/)
    .default(DEFAULT_APPLICATION),
  MIGRATIONS: z.array(z.object({ name: z.string().regex(/^\d{4}_[a-z_]{1,100}$/), up: Up })).max(10_000),
});

/**
 * A host application's migrations, from the module that exports them: `MIGRATIONS`, in order, and `APPLICATION` where
 * several applications share a database. The module runs with the rights of ringwall_migrate, which owns every table.
 * @throws CommandFailed that says what the module lacks.
 */
export async function loadApplicationMigrations(path: string): Promise<ApplicationMigrations> {
  const module = Module.safeParse(await importModule(path));
  if (!module.success) {
    const fields = [...new Set(module.error.issues.map((issue) => issue.path.join(".")))];
    throw new CommandFailed(`${path}: ${fields.join(", ")} is missing or has another form`, {
      wayOut: 'Export MIGRATIONS, a list of { name: "NNNN_name", up(db) }, and APPLICATION where two share a database.',
    });
  }
  return { application: module.data.APPLICATION, migrations: module.data.MIGRATIONS };
}

async function importModule(path: string): Promise<unknown> {
  try {
    return await import(pathToFileURL(path).href);
  } catch (error) {
    throw new CommandFailed(`${path} could not be loaded as a module of migrations`, { cause: error });
  }
}
