import type { SignedIn } from "../../application/identity/index.ts";
import { isoTime } from "../../core/index.ts";
import type { Exchange } from "../../pipeline.ts";
import { Answer } from "./route.ts";

// Strict: no other site's link arrives signed in. Without Max-Age it ends with the browser; the server ends it earlier.
const COOKIE_ATTRIBUTES = "Path=/; Secure; HttpOnly; SameSite=Strict";

/**
 * The answer to a step of signing in. A browser gets its session as a cookie that no script reads, and nothing else; a
 * program, which sends neither `Origin` nor Fetch Metadata, gets the token in the body.
 */
export function signedInAnswer(exchange: Exchange, signedIn: SignedIn): Answer {
  const expires_at = isoTime(signedIn.expiresMs);
  const token = signedIn.token.open();
  if (signedIn.kind === "login") return new Answer(200, { next: signedIn.next, login: token, expires_at });
  const { fetchSite, origin } = exchange.visit.site;
  const program = fetchSite === undefined && origin === undefined;
  const body = { next: "done", session: signedIn.session, expires_at };
  const headers = { "set-cookie": `${exchange.sessionCookie}=${token}; ${COOKIE_ATTRIBUTES}` };
  return program ? new Answer(200, { ...body, token }) : new Answer(200, body, headers);
}

/** The answer to signing out: a browser forgets its session. */
export function signedOutAnswer(exchange: Exchange): Answer {
  return new Answer(204, undefined, { "set-cookie": `${exchange.sessionCookie}=; ${COOKIE_ATTRIBUTES}; Max-Age=0` });
}
