import { existsSync } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import type { Ringwall } from "ringwall";
import { type Runtime, readSecretFile } from "ringwall/supervised";

/** What the password of the bank's database login is called in the secret store. `ringwall secrets rotate` takes it. */
export const PASSWORD_SECRET = "bank/database-password";

/**
 * Moves the password that the supervisor made into the secret store, once, and removes the file. Killed in between, the
 * next start does it again: the supervisor sets the file's password for as long as there is a file.
 */
export async function takeOverPassword(secrets: Ringwall["secrets"], runtime: Runtime, file: string): Promise<void> {
  const path = join(runtime.dataDir, "secrets", file);
  if (!existsSync(path)) return;
  const password = await readSecretFile(runtime, file);
  const actor = { type: "system", capability: "secrets.write" } as const;
  // The file's password is in force now, whatever a rotation had begun before.
  await secrets.set(PASSWORD_SECRET, password, { actor, abandonRotation: true });
  await rm(path);
}
