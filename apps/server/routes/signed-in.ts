import { Answer } from "ringwall/adapters/fastify";
import type { SignedIn } from "ringwall/application/identity";
import { isoTime } from "ringwall/core";
import { type Exchange, SESSION_COOKIE } from "ringwall/pipeline";

// Strict: no other site's link arrives signed in. Without Max-Age it ends with the browser; the server ends it earlier.
const COOKIE_ATTRIBUTES = "Path=/; Secure; HttpOnly; SameSite=Strict";

/** Makes a browser forget its session. */
export const FORGET_SESSION = `${SESSION_COOKIE}=; ${COOKIE_ATTRIBUTES}; Max-Age=0`;

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
  const headers = { "set-cookie": `${SESSION_COOKIE}=${token}; ${COOKIE_ATTRIBUTES}` };
  return program ? new Answer(200, { ...body, token }) : new Answer(200, body, headers);
}
