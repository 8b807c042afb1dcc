import { generateKeyPairSync } from "node:crypto";
import { open } from "node:fs/promises";
import { dirname } from "node:path";
import { RingwallError } from "../../core/index.ts";
import { readPrivateFile } from "./private-file.ts";

const FILE_MODE = 0o600;
// A PKCS#8 PEM of an Ed25519 key has 119 bytes.
const KEY_BYTES_MAX = 4_096;

/**
 * Makes the key that signs audit heads, as PKCS#8 PEM in a new 0600 file. Never replaces a file: losing the key that
 * signed a log is losing the proof of it.
 *
 * @throws RingwallError `config.invalid` when there is a file of that name already.
 */
export async function createAuditKeyFile(path: string): Promise<void> {
  const { privateKey } = generateKeyPairSync("ed25519");
  let file: Awaited<ReturnType<typeof open>>;
  try {
    file = await open(path, "wx", FILE_MODE);
  } catch (cause) {
    throw new RingwallError("config.invalid", { message: `the audit key file ${path} cannot be created`, cause });
  }
  try {
    await file.writeFile(privateKey.export({ type: "pkcs8", format: "pem" }));
    await file.sync();
  } finally {
    await file.close();
  }
  const folder = await open(dirname(path), "r");
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

/**
 * Reads the key as PEM.
 * @throws RingwallError `config.invalid` when it is not there, is not a plain file, or others may read it.
 */
export async function readAuditKeyFile(path: string): Promise<string> {
  return await readPrivateFile(path, { bytesMax: KEY_BYTES_MAX });
}
