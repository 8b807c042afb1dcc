import { route, signedInAnswer } from "ringwall/adapters/fastify";
import { requests } from "ringwall/application/identity";
import { TenantIdText } from "ringwall/application/input";
import { originOf } from "ringwall/pipeline";
import { Link, linkAnswer, SignedIn } from "./answers.ts";
import { partyOf } from "./party.ts";
import { entrance, FRESH_SECONDS, type Routes, SMALL_BODY_BYTES } from "./services.ts";
import { authority } from "./tenants.ts";

/** How people join a tenant: a link from somebody who may invite, used once. The local operator names the tenant. */
export const invitations: Routes = (services) => [
  route(
    "POST",
    "/v1/invitations",
    {
      access: { permission: "admin:users", orOperator: true },
      stepUpSeconds: FRESH_SECONDS,
      body: requests.inviteUser.extend({ tenant: TenantIdText.optional() }),
      bodyBytesMax: SMALL_BODY_BYTES,
      output: Link,
      status: 201,
      problems: ["resource.conflict", "resource.not_found"],
      summary: "Invites somebody into one's own tenant.",
      tag: "invitations",
    },
    async ({ body: { tenant, ...invited }, exchange }) => {
      const { identity } = services().ringwall;
      const party = partyOf(exchange, tenant, "body");
      if (!party.operator)
        return linkAnswer(services(), "invitation", await identity.inviteUser(party.principal, invited));
      const issued =
        invited.role === "owner"
          ? await identity.inviteFirstOwner(authority(exchange), party.tenant, invited.email)
          : await identity.inviteLocally(party.tenant, invited);
      return linkAnswer(services(), "invitation", issued);
    },
  ),
  route(
    "POST",
    "/v1/invitations/accept",
    {
      ...entrance,
      body: requests.acceptInvitation,
      output: SignedIn,
      problems: ["identity.link_invalid", "identity.password_unacceptable", "identity.overloaded", "resource.conflict"],
      summary: "Joins with the token of an invitation.",
      tag: "invitations",
    },
    async ({ body, exchange }) =>
      signedInAnswer(exchange, await services().ringwall.identity.acceptInvitation(body, originOf(exchange))),
  ),
];
