import { existsSync } from "node:fs";
import { readPrivateFile } from "ringwall/adapters/files";
import { PlainSecret } from "ringwall/core";
import { writePrivateFile } from "./private-file.ts";

const SECRET_BYTES_MAX = 4_096;

/** The secret in a 0600 file, made at first use. */
export async function keptSecret(file: string, uid: number, make: () => string): Promise<PlainSecret> {
  if (!existsSync(file)) writePrivateFile(file, `${make()}\n`);
  return new PlainSecret((await readPrivateFile(file, { bytesMax: SECRET_BYTES_MAX, uid })).trim());
}
