import { route, signedInAnswer } from "ringwall/adapters/fastify";
import { requests } from "ringwall/application/identity";
import { originOf } from "ringwall/pipeline";
import { Link, linkAnswer, SignedIn } from "./answers.ts";
import { entrance, type Routes } from "./services.ts";

/** How the platform's first administrator comes to be: a link from the local socket, used once. */
export const bootstrap: Routes = (services) => [
  route(
    "POST",
    "/v1/bootstrap/links",
    {
      access: "operator",
      output: Link,
      status: 201,
      problems: ["resource.conflict"],
      summary: "Makes the link for the first administrator; the old one dies.",
      tag: "bootstrap",
    },
    async () => linkAnswer(services(), "bootstrap", await services().ringwall.identity.issueBootstrap()),
  ),
  route(
    "POST",
    "/v1/bootstrap",
    {
      ...entrance,
      body: requests.redeemBootstrap,
      output: SignedIn,
      problems: ["identity.link_invalid", "identity.password_unacceptable", "identity.overloaded"],
      summary: "Enrols the first administrator with the token of the link.",
      tag: "bootstrap",
    },
    async ({ body, exchange }) =>
      signedInAnswer(exchange, await services().ringwall.identity.redeemBootstrap(body, originOf(exchange))),
  ),
];
