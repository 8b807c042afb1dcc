import { RingwallError } from "ringwall/core";
import { checkSchema } from "ringwall/migrations";
import { CommandFailed } from "../../command.ts";
import type { ConfigFile } from "../../config-file.ts";
import type { DataPaths } from "../../data-directory.ts";
import { localTarget } from "../local-target.ts";
import { asOwner, type OwnerTarget } from "../owner-connection.ts";
import { type Finding, fail, ok } from "./check.ts";

/** Can the database be reached, and does its schema fit this version? */
export async function checkDatabase(
  config: ConfigFile,
  paths: DataPaths,
  uid: number,
  serverRuns: boolean,
): Promise<readonly Finding[]> {
  let target: OwnerTarget | undefined;
  try {
    target = localTarget(config, paths, uid, "ringwall_migrate");
  } catch (error) {
    if (!(error instanceof CommandFailed)) throw error;
    return [fail("database", error.message, error.wayOut)];
  }
  if (target === undefined) {
    // Nothing of it is up between two starts, and a check starts nothing.
    return serverRuns
      ? [fail("database", "the embedded PostgreSQL is not where it should be", "Stop and start the server.")]
      : [ok("database", "embedded; it runs while ringwall start does")];
  }
  return [await tryDatabase(target)];
}

async function tryDatabase(target: OwnerTarget): Promise<Finding> {
  const where = `${target.host}:${target.port}/${target.database}`;
  try {
    await asOwner(target, checkSchema);
    return ok("database", `${where}, schema fits`);
  } catch (error) {
    if (error instanceof RingwallError) return fail("database", `${where}: ${error.message}`, "ringwall migrate");
    const code = error instanceof Error && "code" in error ? String(error.code) : "no answer";
    return fail("database", `${where} cannot be reached (${code})`, "Check host, port, caFile and the password file.");
  }
}
