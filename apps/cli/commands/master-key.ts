import { RingwallConfig } from "ringwall";
import { parseConfig } from "ringwall/core";
import { masterKeysOf } from "ringwall/supervised";
import type { ConfigFile } from "../config-file.ts";
import type { DataPaths } from "../data-directory.ts";

/**
 * Opens the master key that the file names, has it wrap and unwrap something, and closes it. Makes none. Returns its id;
 * undefined where the file names none, and the one of the data directory is used.
 * @throws RingwallError with the reason.
 */
export async function openConfiguredMaster(
  config: ConfigFile,
  paths: DataPaths,
  uid: number,
): Promise<string | undefined> {
  const parsed = parseConfig(RingwallConfig, config.content);
  if (parsed.data === undefined) return undefined;
  const { openMaster } = masterKeysOf({ dataDir: paths.root, uid: uid < 0 ? undefined : uid }, parsed);
  const master = await openMaster(false);
  try {
    const { plaintext, wrapped } = await master.generate(["doctor"]);
    const opened = await master.unwrap(wrapped, ["doctor"]);
    plaintext.fill(0);
    opened.fill(0);
    return master.id;
  } finally {
    await master.close?.();
  }
}
