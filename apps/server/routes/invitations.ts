import { route, signedInAnswer } from "ringwall/adapters/fastify";
import { requests } from "ringwall/application/identity";
import { TenantIdText, Uuid } from "ringwall/application/input";
import { isoTime } from "ringwall/core";
import { caller, originOf } from "ringwall/pipeline";
import { z } from "zod";
import { DONE, Link, linkAnswer, list, SignedIn, Time } from "./answers.ts";
import { partyOf } from "./party.ts";
import { entrance, FRESH_SECONDS, type Routes, SMALL_BODY_BYTES } from "./services.ts";
import { authority } from "./tenants/index.ts";

/** RFC 5321: the longest address. */
const ADDRESS_CHARS_MAX = 254;

const Invitation = z.strictObject({
  email: z.string(),
  role: z.string(),
  invited_by: Uuid.nullable().describe("Null when it was the machine's operator, or the platform for a first owner."),
  created_at: Time,
  expires_at: Time,
});

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
  ...pending(services),
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

const pending: Routes = (services) => [
  route(
    "GET",
    "/v1/invitations",
    {
      access: { permission: "admin:users" },
      query: z.strictObject({ after: z.string().max(ADDRESS_CHARS_MAX).optional() }),
      output: list(Invitation),
      summary: "Lists the invitations that can still be used, by address, 200 at a time.",
      tag: "invitations",
    },
    async ({ exchange, query }) => {
      const views = await services().ringwall.identity.listInvitations(caller(exchange), query.after);
      return {
        items: views.map(({ createdMs, email, expiresMs, invitedBy, role }) => ({
          email,
          role,
          invited_by: invitedBy ?? null,
          created_at: isoTime(createdMs),
          expires_at: isoTime(expiresMs),
        })),
      };
    },
  ),
  route(
    "POST",
    "/v1/invitations/withdraw",
    {
      access: { permission: "admin:users" },
      body: requests.inviteFirstOwner,
      bodyBytesMax: SMALL_BODY_BYTES,
      problems: ["resource.not_found"],
      summary: "Takes an invitation back: its link is worth nothing from then on.",
      tag: "invitations",
    },
    async ({ body, exchange }) => {
      await services().ringwall.identity.withdrawInvitation(caller(exchange), body.email);
      return DONE;
    },
  ),
];
