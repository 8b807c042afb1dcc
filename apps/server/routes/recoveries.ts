import { route, signedInAnswer } from "ringwall/adapters/fastify";
import { requests } from "ringwall/application/identity";
import { Uuid } from "ringwall/application/input";
import { caller, originOf } from "ringwall/pipeline";
import { z } from "zod";
import { Link, linkAnswer, SignedIn } from "./answers.ts";
import { entrance, FRESH_SECONDS, type Routes, SMALL_BODY_BYTES } from "./services.ts";

/** How somebody who lost a password or a second factor comes back: a link from an administrator, used once. */
export const recoveries: Routes = (services) => [
  route(
    "POST",
    "/v1/users/:id/recoveries",
    {
      access: { permission: "admin:users" },
      stepUpSeconds: FRESH_SECONDS,
      params: z.strictObject({ id: Uuid }),
      body: requests.issueRecovery,
      bodyBytesMax: SMALL_BODY_BYTES,
      output: Link,
      status: 201,
      problems: ["resource.conflict"],
      summary: "Makes a recovery link for somebody else, for a lost password or a lost second factor.",
      tag: "recoveries",
    },
    async ({ body, exchange, params }) => {
      const issued = await services().ringwall.identity.issueRecovery(caller(exchange), params.id, body.kind);
      return linkAnswer(services(), "recovery", issued);
    },
  ),
  route(
    "POST",
    "/v1/recoveries",
    {
      ...entrance,
      body: requests.redeemRecovery,
      output: SignedIn,
      problems: [
        "identity.link_invalid",
        "identity.password_unacceptable",
        "identity.sign_in_failed",
        "identity.attempts_exhausted",
        "identity.overloaded",
      ],
      summary: "Uses a recovery link: a new password, or the present one for a new second factor. All sessions end.",
      tag: "recoveries",
    },
    async ({ body, exchange }) =>
      signedInAnswer(exchange, await services().ringwall.identity.redeemRecovery(body, originOf(exchange))),
  ),
];
