import { RingwallError } from "../../../core/index.ts";

const SPACE = 0x20;
const EQUALS = 0x3d;

/** Where a request may carry a session's token: the two headers as they came, and the name of the cookie that counts. */
export interface Credentials {
  readonly authorization: string | undefined;
  readonly cookie: string | undefined;
  readonly cookieName: string;
}

/**
 * The token of a request, from `Authorization: Bearer` (RFC 6750) or from the session cookie. Read here and not by a
 * library, because two cookies of one name have to be seen.
 *
 * @throws RingwallError `identity.sign_in_required` when there is none; `request.malformed` when there is more than one:
 * two readers might each believe another.
 */
export function sessionToken({ authorization, cookie, cookieName }: Credentials): string {
  let token = authorization === undefined ? undefined : (/^Bearer ([^ ]+)$/i.exec(authorization)?.[1] ?? "");
  if (cookie !== undefined) {
    for (let from = 0; from < cookie.length; ) {
      const semicolon = cookie.indexOf(";", from);
      const end = semicolon === -1 ? cookie.length : semicolon;
      const value = cookieValue(cookie, from, end, cookieName);
      if (value !== undefined) {
        if (token !== undefined) {
          throw new RingwallError("request.malformed", { detail: { reason: "several_credentials" } });
        }
        token = value;
      }
      from = end + 1;
    }
  }
  if (token === undefined) throw new RingwallError("identity.sign_in_required", { detail: { reason: "none" } });
  return token;
}

/** The value of the cookie between `from` and `end` when it has that name. */
function cookieValue(header: string, from: number, end: number, name: string): string | undefined {
  let start = from;
  while (start < end && header.charCodeAt(start) <= SPACE) start += 1;
  if (header.charCodeAt(start + name.length) !== EQUALS || !header.startsWith(name, start)) return undefined;
  return header.slice(start + name.length + 1, end).trimEnd();
}
