import { existsSync } from "node:fs";
import { readPrivateFile } from "ringwall/adapters/files";
import { postgresDatabase, type Target } from "ringwall/adapters/postgres";
import { type Clock, PLATFORM_TENANT, PlainSecret, RingwallError, statement } from "ringwall/core";
import { contextSigner } from "ringwall/data/tenants";
import { checkSchema } from "ringwall/migrations";
import { CommandFailed } from "../../command.ts";
import type { ConfigFile } from "../../config-file.ts";
import type { DataPaths } from "../../data-directory.ts";
import { parseContextKey } from "../key-files.ts";
import { type LocalRole, localTarget } from "../local-target.ts";
import { asOwner } from "../owner-connection.ts";

const ROLES: readonly LocalRole[] = ["ringwall_app", "ringwall_worker"];
const KEY_BYTES_MAX = 4_096;
const CONTEXT_REFUSED = "RW001";
const WHO = statement<{ tenant: string | null }>("start.who", "select ringwall.tenant() as tenant");

/** What a start knows about the PostgreSQL it is to use. */
interface Installed {
  readonly config: ConfigFile;
  readonly paths: DataPaths;
  readonly uid: number;
  readonly clock: Clock;
}

/**
 * Asks a PostgreSQL that is not ours what the server would ask it, before anything is started.
 * @throws CommandFailed with the reason and the way out.
 */
export async function checkExternalDatabase({ config, paths, uid, clock }: Installed): Promise<void> {
  if (!existsSync(paths.contextKey)) {
    throw new CommandFailed(`there is no context key at ${paths.contextKey}`, {
      wayOut: "Copy it from where ringwall migrate made it; all servers of one database share it.",
    });
  }
  for (const role of ROLES) {
    try {
      const target = await localTarget(config, paths, uid, role);
      if (target === undefined) continue;
      await asOwner(target, checkSchema);
      await checkContext(target, paths, uid, clock);
    } catch (error) {
      throw explained(error, role);
    }
  }
}

/** Signs a context as the server will and has the database verify it. */
async function checkContext(target: Target, paths: DataPaths, uid: number, clock: Clock): Promise<void> {
  const text = await readPrivateFile(paths.contextKey, { bytesMax: KEY_BYTES_MAX, uid });
  const signer = contextSigner(parseContextKey(new PlainSecret(text.trim())));
  const database = postgresDatabase({ target, signer, clock });
  try {
    await database.once(PLATFORM_TENANT, { type: "service", tenant: PLATFORM_TENANT, name: "start" }, WHO);
  } catch (error) {
    if (!(error instanceof RingwallError) || error.detail["sqlstate"] !== CONTEXT_REFUSED) throw error;
    throw new CommandFailed(`the database does not know the context key in ${paths.contextKey}`, {
      wayOut: "Copy the key from where ringwall migrate made it; all servers of one database share it.",
      cause: error,
    });
  } finally {
    await database.close();
  }
}

function explained(error: unknown, role: LocalRole): unknown {
  if (!(error instanceof RingwallError)) return error;
  const { reason = error.message } = error.detail;
  return new CommandFailed(`PostgreSQL, as ${role}: ${String(reason)}`, {
    wayOut: "ringwall doctor checks the configuration; ringwall migrate sets the database up.",
    cause: error,
  });
}
