import { type RouteDefinition, route, signedInAnswer, signedOutAnswer } from "ringwall/adapters/fastify";
import { requests } from "ringwall/application/identity";
import { caller, originOf } from "ringwall/pipeline";
import type { Bank } from "../bank.ts";

const entry = { access: "public", limit: "sign-in" } as const;

/** Signing in at the bank. Everything it takes is Ringwall's; the bank only says where. */
export function signIn({ ringwall: { identity } }: Bank): readonly RouteDefinition[] {
  return [
    route(
      "POST",
      "/api/sign-in",
      { ...entry, body: requests.signIn, summary: "Gives bank, address and password." },
      async ({ body, exchange }) => signedInAnswer(exchange, await identity.signIn(body, originOf(exchange))),
    ),
    route(
      "POST",
      "/api/sign-in/code",
      { ...entry, body: requests.loginCode, summary: "Gives the second factor's code." },
      async ({ body, exchange }) =>
        signedInAnswer(exchange, await identity.giveCode(body.login, body.code, originOf(exchange))),
    ),
    route("GET", "/api/session", { access: "principal", summary: "Who is signed in." }, ({ exchange }) => {
      const { aal, role, session, tenant, user } = caller(exchange);
      return { tenant, user, role, aal, sid: session };
    }),
    route("DELETE", "/api/session", { access: "principal", summary: "Signs out." }, async ({ exchange }) => {
      await identity.signOut(caller(exchange));
      return signedOutAnswer(exchange);
    }),
    route(
      "POST",
      "/api/session/step-up",
      { access: "principal", limit: "sign-in", body: requests.stepUp, summary: "Gives a fresh second factor." },
      async ({ body, exchange }) =>
        signedInAnswer(exchange, await identity.stepUp(caller(exchange), body.code, originOf(exchange))),
    ),
  ];
}
