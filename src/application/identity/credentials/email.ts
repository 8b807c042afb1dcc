import { RingwallError } from "../../../core/index.ts";

/** RFC 5321, section 4.5.3.1: 64 before the at sign, 254 for the whole path. */
const EMAIL_MAX = 254;
const LOCAL_MAX = 64;
const LABEL_MAX = 63;

// Character classes only, so matching is linear. Unicode letters are allowed on both sides (RFC 6531); what is refused
// is what has no honest use in an address and a use in attacks: controls, spaces, quotes, brackets, separators.
const LOCAL = /^[\p{L}\p{M}\p{N}!#$%&'*+/=?^_`{|}~.-]+$/u;
const LABEL = /^[\p{L}\p{M}\p{N}-]+$/u;

/**
 * One spelling for each address: NFKC, lower case, trimmed. Look-up, uniqueness, lockout and commitments all use this
 * form, so no change of case, width or space makes a second account or a fresh counter.
 *
 * @throws RingwallError `request.invalid` when it is not an address. The answer never repeats it.
 */
export function normaliseEmail(text: string): string {
  // The first bound keeps normalisation short on hostile input, the second holds for the result.
  const email = text.length <= 4 * EMAIL_MAX ? text.normalize("NFKC").toLowerCase().normalize("NFKC").trim() : "";
  if (!wellFormed(email)) throw new RingwallError("request.invalid", { detail: { field: "email" } });
  return email;
}

function wellFormed(email: string): boolean {
  if (email.length === 0 || Buffer.byteLength(email) > EMAIL_MAX || !email.isWellFormed()) return false;
  const at = email.lastIndexOf("@");
  const local = email.slice(0, at);
  const labels = email.slice(at + 1).split(".");
  if (at < 1 || Buffer.byteLength(local) > LOCAL_MAX || !LOCAL.test(local)) return false;
  if (local.startsWith(".") || local.endsWith(".") || local.includes("..")) return false;
  return labels.length >= 2 && labels.every(isLabel);
}

function isLabel(label: string): boolean {
  return label.length <= LABEL_MAX && LABEL.test(label) && !label.startsWith("-") && !label.endsWith("-");
}
