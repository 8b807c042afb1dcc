import { createPublicKey, type KeyObject } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { readPrivateFile } from "ringwall/adapters/files";
import { type PlainSecret, randomBytes, randomToken } from "ringwall/core";
import { CommandFailed } from "../command.ts";

const KEY_BYTES_MAX = 4_096;

/**
 * Reads the public half of a signing key: from a public key, which anybody may have, or from the key's own private file.
 * @param what - Which key, for people: `audit key`.
 */
export async function readPublicKey(file: string, what: string, uid: number): Promise<KeyObject> {
  if (!existsSync(file)) {
    throw new CommandFailed(`the ${what} ${file} does not exist`, {
      wayOut: "Name it: --key FILE (public or signing key, PEM)",
    });
  }
  const text = readFileSync(file, "utf8");
  // A private key that others can read has signed what they like.
  const pem = text.includes("PUBLIC KEY") ? text : await readPrivateFile(file, { bytesMax: KEY_BYTES_MAX, uid });
  try {
    return createPublicKey(pem);
  } catch (error) {
    throw new CommandFailed(`${file} is not a key in PEM`, { cause: error });
  }
}

const CONTEXT_KEY_BYTES = 32;
const KID_BYTES = 6;

/** `kid:base64url`, on one line. The kid is public; the rest signs tenant contexts. */
export function newContextKey(): string {
  return `${randomBytes(KID_BYTES).toString("hex")}:${randomToken(CONTEXT_KEY_BYTES)}`;
}

/** @throws CommandFailed when the text is something else. */
export function parseContextKey(secret: PlainSecret): { kid: string; key: Buffer } {
  const parts = /^([a-z0-9]{1,16}):([A-Za-z0-9_-]{43})$/.exec(secret.open());
  if (parts === null) {
    throw new CommandFailed("the file secrets/context.key is damaged", {
      wayOut: "Delete it: a new one is made, and contexts signed with the old one end.",
    });
  }
  return { kid: parts[1] ?? "", key: Buffer.from(parts[2] ?? "", "base64url") };
}
