import { Answer, route, signedInAnswer } from "ringwall/adapters/fastify";
import { requests } from "ringwall/application/identity";
import { caller } from "./caller.ts";
import { FRESH_SECONDS, linkAnswer, originOf, type Routes } from "./services.ts";

/** How people join a tenant: a link from somebody who may invite, used once. */
export const invitations: Routes = (services) => {
  const { identity } = services.ringwall;
  return [
    route(
      "POST",
      "/v1/invitations",
      {
        access: { permission: "admin:users" },
        stepUpSeconds: FRESH_SECONDS,
        body: requests.inviteUser,
        summary: "Invites somebody into one's own tenant.",
        tag: "invitations",
      },
      async ({ body, exchange }) =>
        new Answer(201, linkAnswer(services, "invitation", await identity.inviteUser(caller(exchange), body))),
    ),
    route(
      "POST",
      "/v1/invitations/accept",
      {
        access: "public",
        body: requests.acceptInvitation,
        limit: "sign-in",
        summary: "Joins with the token of an invitation.",
        tag: "invitations",
      },
      async ({ body, exchange }) => signedInAnswer(exchange, await identity.acceptInvitation(body, originOf(exchange))),
    ),
  ];
};
