import { type PlainSecret, randomBytes, randomToken } from "ringwall/core";
import { CommandFailed } from "../command.ts";

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
