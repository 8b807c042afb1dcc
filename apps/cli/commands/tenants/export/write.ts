import { resolve } from "node:path";
import type { TenantId } from "ringwall/core";
import { type ExportedTable, type ExportFacts, type ExportSink, exportTenant } from "ringwall/data/upkeep";
import { CommandFailed, type Context, type Input } from "../../../command.ts";
import { showRow } from "../../answer.ts";
import { type LocalOwner, withLocalOwner } from "../../fields/owner.ts";
import { ExportFolder } from "./folder.ts";

const EXPORTER = { type: "system", capability: "tenants.export" } as const;

interface Wanted {
  readonly tenant: TenantId;
  readonly to: string;
}

/** Behind `tenants export`, in a module of its own so that other commands do not load a database driver. */
export async function exportLocally(input: Input, context: Context, { tenant, to }: Wanted): Promise<void> {
  const leaveOut = input.text("leave-out")?.split(",") ?? [];
  await withLocalOwner(input, context, async (local) => {
    await requireLiving(local, tenant);
    if (input.flag("dry-run")) {
      const facts = await exportTenant(local.owner, tenant, nowhere(), leaveOut);
      const rows = rowsOf(facts);
      const names = facts.tables.map(({ name, rows: count, schema }) => `${schema}.${name} (${count})`).join(", ");
      const said = { tenant, ...facts, dry_run: true };
      showRow(input, context, said, `would write ${rows} rows of ${tenant}: ${names}`);
      return;
    }
    const target = resolve(context.machine.cwd, to);
    const folder = new ExportFolder(target);
    try {
      const facts = await exportTenant(local.owner, tenant, watched(folder, context), leaveOut);
      const manifest = folder.manifest(tenant, facts);
      // Nothing gets the name of a whole export before it is in the audit.
      await record(local, tenant, facts);
      folder.finish(manifest);
      const answer = { tenant, to: target, rows: rowsOf(facts), tables: facts.tables.length, taken_at: facts.takenAt };
      showRow(input, context, answer, `wrote ${answer.rows} rows of ${answer.tables} tables of ${tenant} to ${target}`);
    } catch (error) {
      folder.abandon();
      throw error;
    }
  });
}

async function requireLiving({ ringwall }: LocalOwner, tenant: TenantId): Promise<void> {
  const found = await ringwall.tenants.register.find(tenant);
  if (found !== undefined && (found.status === "active" || found.status === "suspended")) return;
  throw new CommandFailed(`there is no tenant ${tenant}, or not any more`, { wayOut: "ringwall tenants list" });
}

/** In the tenant's own audit, and a note in the platform's: both should see who takes everything away. */
async function record({ note, ringwall }: LocalOwner, tenant: TenantId, exported: ExportFacts): Promise<void> {
  const facts = { tables: exported.tables.length, rows: rowsOf(exported) };
  await ringwall.database.forTenant(tenant, EXPORTER, async (tx) => {
    await ringwall.recorder.record(tx, {
      action: "tenant.exported",
      outcome: "success",
      tenant,
      actor: EXPORTER,
      targets: [{ type: "tenant", id: tenant }],
      facts,
    });
  });
  note("tenant.exported", tenant, facts);
}

function rowsOf({ tables }: ExportFacts): number {
  return tables.reduce((sum, { rows }) => sum + rows, 0);
}

function nowhere(): ExportSink {
  const nothing = async (): Promise<void> => await Promise.resolve();
  return { begin: nothing, write: nothing, end: nothing };
}

/** One line for each table. To stderr: stdout is the answer. */
function watched(sink: ExportSink, { stderr }: Context): ExportSink {
  return {
    async begin(table: ExportedTable) {
      stderr(`${table.schema}.${table.name}`);
      await sink.begin(table);
    },
    write: async (rows) => await sink.write(rows),
    end: async () => await sink.end(),
  };
}
