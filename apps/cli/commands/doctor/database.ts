import type { Target } from "ringwall/adapters/postgres";
import { RingwallError } from "ringwall/core";
import { checkSchema } from "ringwall/migrations";
import { CommandFailed } from "../../command.ts";
import type { ConfigFile } from "../../config-file.ts";
import type { DataPaths } from "../../data-directory.ts";
import { localTarget } from "../local-target.ts";
import { asOwner } from "../owner-connection.ts";
import { type Finding, fail, ok } from "./check.ts";

/** Can the database be reached, and does its schema fit this version? */
export async function checkDatabase(
  config: ConfigFile,
  paths: DataPaths,
  uid: number,
  serverRuns: boolean,
): Promise<readonly Finding[]> {
  let target: Target | undefined;
  try {
    target = await localTarget(config, paths, uid, "ringwall_migrate");
  } catch (error) {
    if (error instanceof CommandFailed) return [fail("database", error.message, error.wayOut)];
    // A password file that cannot be used; the message says what to do with it.
    if (error instanceof RingwallError) return [fail("database", error.message, "ringwall migrate")];
    throw error;
  }
  if (target === undefined) {
    // Nothing of it is up between two starts, and a check starts nothing.
    return serverRuns
      ? [fail("database", "the embedded PostgreSQL is not where it should be", "Stop and start the server.")]
      : [ok("database", "embedded; it runs while ringwall start does")];
  }
  return [await tryDatabase(target)];
}

async function tryDatabase(target: Target): Promise<Finding> {
  const where = `${target.host}:${target.port}/${target.database}`;
  try {
    await asOwner(target, checkSchema);
    return ok("database", `${where}, schema fits`);
  } catch (error) {
    if (!(error instanceof RingwallError)) throw error;
    const { reason = error.message } = error.detail;
    const wayOut =
      error.code === "database.unavailable" ? "Check the section database of the configuration." : "ringwall migrate";
    return fail("database", `${where}: ${String(reason)}`, wayOut);
  }
}
