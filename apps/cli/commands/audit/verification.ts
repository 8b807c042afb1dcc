import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { fileHeadStore, readPrivateFile } from "ringwall/adapters/files";
import { postgresDatabase } from "ringwall/adapters/postgres";
import { isTenantId, PlainSecret, type TenantId } from "ringwall/core";
import { contextSigner } from "ringwall/data/tenants";
import { type AuditReport, HeadVerifier, verifyAudit, workerSource } from "ringwall/monitoring/audit";
import type { Context, ExitCode, Input } from "../../command.ts";
import { CommandFailed, EXIT, UsageError } from "../../command.ts";
import { type DataPaths, dataDirectory, dataPaths } from "../../data-directory.ts";
import { showRows } from "../answer.ts";
import { parseContextKey, readPublicKey } from "../key-files.ts";
import { findLocalTarget } from "../local-target.ts";

const KEY_BYTES_MAX = 4_096;
// A running server signs a new tail within about a second; five are enough to see that it does.
const SETTLE_ATTEMPTS = 20;
const SETTLE_PAUSE_MS = 250;

/** Behind `audit verify`, in a module of its own so that other commands do not load a database driver. */
export async function verify(input: Input, context: Context): Promise<ExitCode> {
  const { machine } = context;
  const paths = dataPaths(dataDirectory(input.text("data"), machine));
  const named = (option: string): string | undefined => {
    const path = input.text(option);
    return path === undefined ? undefined : resolve(machine.cwd, path);
  };
  const tenant = tenantOption(input);
  const verifier = new HeadVerifier([await readPublicKey(named("key") ?? paths.auditKey, "audit key", machine.uid)]);
  const heads = await fileHeadStore(existingFolder(named("heads") ?? paths.auditHeads));
  const database = postgresDatabase({
    target: await findLocalTarget(input, machine, "ringwall_worker"),
    signer: contextSigner(await readContextKey(paths, machine.uid)),
    clock: context.clock,
  });
  try {
    const report = await verifyAudit({
      source: workerSource(database, { type: "system", capability: "audit.verify" }),
      heads,
      verifier,
      ...(tenant === undefined ? {} : { tenant }),
      settle: {
        attempts: SETTLE_ATTEMPTS,
        pause: async () => {
          await delay(SETTLE_PAUSE_MS, undefined, { signal: context.signal });
        },
      },
    });
    return show(input, context, report);
  } finally {
    await database.close();
  }
}

function tenantOption(input: Input): TenantId | undefined {
  const text = input.text("tenant");
  if (text === undefined || isTenantId(text)) return text;
  throw new UsageError("--tenant is not a tenant id");
}

/** Without the copies a log whose owner cut it off would look whole, so their folder must be there. */
function existingFolder(folder: string): string {
  if (existsSync(folder)) return folder;
  throw new CommandFailed(`the folder of head copies ${folder} does not exist`, { wayOut: "Name it: --heads DIR" });
}

async function readContextKey(paths: DataPaths, uid: number): Promise<ReturnType<typeof parseContextKey>> {
  const text = await readPrivateFile(paths.contextKey, { bytesMax: KEY_BYTES_MAX, uid });
  return parseContextKey(new PlainSecret(text.trim()));
}

function show(input: Input, context: Context, report: AuditReport): ExitCode {
  if (input.flag("json")) {
    context.stdout(JSON.stringify(report));
  } else {
    const rows = report.tenants.map(({ tenant, verified, signed, copied, erased, problem }) => ({
      tenant,
      verified,
      signed,
      copied,
      erased,
      state: problem === undefined ? "whole" : `${problem.kind} at #${problem.position}: ${problem.message}`,
    }));
    showRows(input, context, rows, ["tenant", "verified", "signed", "copied", "erased", "state"]);
    context.stdout(report.ok ? "the audit log is whole" : "THE AUDIT LOG IS NOT WHOLE");
  }
  return report.ok ? EXIT.ok : EXIT.failed;
}
