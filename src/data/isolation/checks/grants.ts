import { PUBLIC } from "../catalog/index.ts";
import { quoted } from "../sql-text.ts";
import type { Right } from "./rights.ts";

/** A grantee as GRANT and REVOKE take it. */
export function granteeText(grantee: string): string {
  return grantee === PUBLIC ? "public" : quoted(grantee);
}

/** `app`, or `app (through public)`. */
export function holder({ role, grantee, by }: Right): string {
  if (role === grantee) return role;
  return by === "owner" ? `${role} (as the owner ${grantee})` : `${role} (through ${grantee})`;
}
