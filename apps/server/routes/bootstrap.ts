import { Answer, route, signedInAnswer } from "ringwall/adapters/fastify";
import { requests } from "ringwall/application/identity";
import { linkAnswer, originOf, type Routes } from "./services.ts";

/** How the platform's first administrator comes to be: a link from the local socket, used once. */
export const bootstrap: Routes = (services) => {
  const { identity } = services.ringwall;
  return [
    route(
      "POST",
      "/v1/bootstrap/links",
      {
        access: "operator",
        summary: "Makes the link for the first administrator; the old one dies.",
        tag: "bootstrap",
      },
      async () => new Answer(201, linkAnswer(services, "bootstrap", await identity.issueBootstrap())),
    ),
    route(
      "POST",
      "/v1/bootstrap",
      {
        access: "public",
        body: requests.redeemBootstrap,
        limit: "sign-in",
        summary: "Enrols the first administrator with the token of the link.",
        tag: "bootstrap",
      },
      async ({ body, exchange }) => signedInAnswer(exchange, await identity.redeemBootstrap(body, originOf(exchange))),
    ),
  ];
};
