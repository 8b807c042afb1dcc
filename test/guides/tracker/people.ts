/**
 * Code of `docs/guides/embedding.md`, as it stands there; `embedding.test.ts` compares and runs it.
 *
 * @module
 */
import { Answer, type RouteDefinition, route, signedInAnswer, signedOutAnswer } from "ringwall/adapters/fastify";
import type { Principal } from "ringwall/application/access";
import { requests } from "ringwall/application/identity";
import { isoTime, RingwallError } from "ringwall/core";
import { caller, originOf } from "ringwall/pipeline";
import type { Tracker } from "./parts.ts";
import { FIND_PERSON, LINK_PERSON } from "./tables.ts";

const entry = { access: "public", limit: "sign-in" } as const;

export function people({ origin, ringwall: { identity } }: Tracker): readonly RouteDefinition[] {
  return [
    route(
      "POST",
      "/sign-in",
      { ...entry, body: requests.signIn, summary: "Gives company, address and password." },
      async ({ body, exchange }) => signedInAnswer(exchange, await identity.signIn(body, originOf(exchange))),
    ),
    route(
      "POST",
      "/sign-in/code",
      { ...entry, body: requests.loginCode, summary: "Gives the second factor's code." },
      async ({ body, exchange }) =>
        signedInAnswer(exchange, await identity.giveCode(body.login, body.code, originOf(exchange))),
    ),
    route("DELETE", "/session", { access: "principal", summary: "Signs out." }, async ({ exchange }) => {
      await identity.signOut(caller(exchange));
      return signedOutAnswer(exchange);
    }),
    route(
      "POST",
      "/invitations",
      { access: { permission: "admin:users" }, body: requests.inviteUser, summary: "Invites a colleague." },
      async ({ body, exchange }) => {
        const { expiresMs, token } = await identity.inviteUser(caller(exchange), body);
        return new Answer(201, { link: `${origin}/join#${token.open()}`, expires_at: isoTime(expiresMs) });
      },
    ),
    route(
      "POST",
      "/join",
      { ...entry, body: requests.acceptInvitation, summary: "Joins with an invitation, and a new password." },
      async ({ body, exchange }) => signedInAnswer(exchange, await identity.acceptInvitation(body, originOf(exchange))),
    ),
  ];
}

/** Whoever this is in our own table: found by Ringwall's id, and the first time by the address they were invited at. */
export async function ownUser({ database, ringwall: { identity } }: Tracker, actor: Principal): Promise<string> {
  const { tenant, user } = actor;
  const [known] = await database.once(tenant, actor, FIND_PERSON, [user]);
  if (known !== undefined) return known.user_id;
  const { email } = await identity.readUser(actor, user);
  const [linked] = await database.once(tenant, actor, LINK_PERSON, [user, email]);
  if (linked === undefined) throw new RingwallError("access.denied", { detail: { rule: "tracker.no_such_person" } });
  return linked.user_id;
}
