import { Answer, route, signedInAnswer } from "ringwall/adapters/fastify";
import { requests, type SessionView } from "ringwall/application/identity";
import { Uuid } from "ringwall/application/input";
import { isoTime } from "ringwall/core";
import { z } from "zod";
import { caller } from "./caller.ts";
import { originOf, type Routes } from "./services.ts";

/** One's own sessions: where they are, and ending them; and the fresh second factor that some acts ask for. */
export const sessions: Routes = ({ ringwall: { identity } }) => [
  route(
    "GET",
    "/v1/session",
    { access: "principal", summary: "Who is signed in.", tag: "sessions" },
    ({ exchange }) => {
      const { aal, role, session, tenant, user } = caller(exchange);
      return { tenant, user, role, aal, sid: session };
    },
  ),
  route(
    "POST",
    "/v1/session/step-up",
    {
      access: "principal",
      body: requests.stepUp,
      limit: "sign-in",
      summary: "Gives a fresh second factor.",
      tag: "sessions",
    },
    async ({ body, exchange }) =>
      signedInAnswer(exchange, await identity.stepUp(caller(exchange), body.code, originOf(exchange))),
  ),
  route(
    "GET",
    "/v1/sessions",
    { access: "principal", summary: "One's own sessions.", tag: "sessions" },
    async (request) => {
      const principal = caller(request.exchange);
      const views = await identity.listSessions(principal);
      return { items: views.map((view) => sessionAnswer(view, principal.user)) };
    },
  ),
  route(
    "DELETE",
    "/v1/sessions/:sid",
    { access: "principal", params: z.strictObject({ sid: Uuid }), summary: "Ends a session at once.", tag: "sessions" },
    async ({ exchange, params }) => {
      await identity.revokeSession(caller(exchange), params.sid);
      return new Answer(204, undefined);
    },
  ),
];

function sessionAnswer(view: SessionView, user: string) {
  return {
    sid: view.session,
    user,
    current: view.current,
    aal: view.aal,
    address_prefix: view.addressPrefix ?? null,
    user_agent: view.userAgent ?? null,
    created_at: isoTime(view.createdMs),
    last_seen_at: isoTime(view.lastSeenMs),
    expires_at: isoTime(view.expiresMs),
  };
}
