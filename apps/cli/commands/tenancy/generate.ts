import { writeFile } from "node:fs/promises";
import type { IsolationPlan, SqlSession } from "ringwall/data/isolation";
import {
  type Command,
  CommandFailed,
  type Context,
  EXIT,
  type ExitCode,
  type Input,
  UsageError,
} from "../../command.ts";
import { DATABASE_OPTIONS } from "./database.ts";
import { filePath, SETTINGS_OPTION } from "./settings.ts";

export const generateTenancy: Command = {
  name: "tenancy generate",
  summary: "Write the migration that walls the tenants of a schema",
  about:
    "Reads the schema and shows what is there (-) and what will be (+): row-level security enabled and forced, one " +
    "restrictive wall a table, a door for each command, the tenant first in keys, references that stay within one " +
    "tenant, and the rights that no request needs taken away. What only a person can decide is listed (?). On a schema " +
    "that is as it should be there is nothing to do. With --write the migration becomes a file; nothing is applied " +
    "unless --apply is given, and then in one transaction that gives up rather than wait for a lock.",
  options: {
    ...DATABASE_OPTIONS,
    ...SETTINGS_OPTION,
    write: { value: "FILE", summary: "Write the migration to this file" },
    apply: { summary: "Run it, in one transaction; refused while something is left to decide" },
    "dry-run": { summary: "With --apply: print the statements instead" },
  },
  examples: [
    ["ringwall tenancy generate --url postgres://owner@127.0.0.1:5432/shop --password-file owner.password", "show it"],
    ["ringwall tenancy generate --url-file owner.url --write 0042_tenants.sql", "write it, to be read and tested"],
  ],
  async run(input, context) {
    if (input.flag("dry-run") && !input.flag("apply")) throw new UsageError("--dry-run belongs to --apply");
    // Loaded here, so that other commands do not wait for a database driver.
    const [{ findDatabase, withSession }, isolation, { readSettings }] = await Promise.all([
      import("./database.ts"),
      import("ringwall/data/isolation"),
      import("./settings.ts"),
    ]);
    const settings = await readSettings(input, context.machine);
    const target = await findDatabase(input, context.machine);
    const plan = await withSession(target, {}, async (session) => {
      context.stderr("reading the schema");
      return await isolation.planIsolation(await isolation.readCatalog(session), settings);
    });
    const text = isolation.planMigration(plan);
    context.stdout(input.flag("dry-run") ? text.trimEnd() : isolation.planDiff(plan));
    await writeMigration(input, context, text);
    if (!input.flag("apply") || input.flag("dry-run")) return EXIT.ok;
    return await withSession(target, { writes: true }, async (session) => await apply(session, plan, context));
  },
};

async function writeMigration(input: Input, { machine, stderr }: Context, text: string): Promise<void> {
  const file = input.text("write");
  if (file === undefined) return;
  await writeFile(filePath(machine, file), text);
  stderr(`${file} is written; read it, and try it on a copy`);
}

async function apply(session: SqlSession, plan: IsolationPlan, { stderr }: Context): Promise<ExitCode> {
  const open = plan.decisions.filter(({ blocks }) => blocks).length;
  if (open > 0) {
    throw new CommandFailed(`${open} things are left for a person to decide; nothing was applied`, {
      wayOut: "Decide them in the schema or in the settings, or apply what --write writes by hand.",
    });
  }
  await session.query("begin");
  try {
    await session.query("set local lock_timeout = '5s'");
    // A big table takes as long as it takes; the connection's own limit is for looking.
    await session.query("set local statement_timeout = 0");
    for (const { sql } of plan.steps) await session.query(sql);
    await session.query("commit");
  } catch (error) {
    await session.query("rollback");
    const why = error instanceof Error ? error.message : "unknown";
    throw new CommandFailed(`nothing was applied: ${why}`, { cause: error });
  }
  stderr(`${plan.steps.length} changes applied`);
  return EXIT.ok;
}
