import { route } from "ringwall/adapters/fastify";
import { requests, type UserView } from "ringwall/application/identity";
import { Uuid } from "ringwall/application/input";
import type { UserId } from "ringwall/core";
import { caller } from "ringwall/pipeline";
import { z } from "zod";
import { DONE, list } from "./answers.ts";
import { FRESH_SECONDS, type Routes, SMALL_BODY_BYTES } from "./services.ts";

const Id = z.strictObject({ id: Uuid });
const administer = { access: { permission: "admin:users" }, tag: "users" } as const;
const change = { ...administer, params: Id, stepUpSeconds: FRESH_SECONDS, bodyBytesMax: SMALL_BODY_BYTES } as const;

const User = z.strictObject({
  id: Uuid,
  email: z.string(),
  name: z.string(),
  role: z.string(),
  status: z.string(),
  second_factor: z.boolean(),
});

/** The people of one's own tenant. */
export const users: Routes = (services) => [
  route(
    "GET",
    "/v1/users",
    {
      ...administer,
      query: z.strictObject({ after: Uuid.optional() }),
      output: list(User),
      summary: "Lists the tenant's people by id, 200 at a time.",
    },
    async ({ exchange, query }) => ({
      items: (await services().ringwall.identity.listUsers(caller(exchange), query.after)).map(userAnswer),
    }),
  ),
  route(
    "GET",
    "/v1/users/:id",
    { ...administer, params: Id, output: User, summary: "Shows one of the tenant's people." },
    async ({ exchange, params }) =>
      userAnswer(await services().ringwall.identity.readUser(caller(exchange), params.id)),
  ),
  route(
    "PUT",
    "/v1/users/:id/role",
    {
      ...change,
      body: requests.changeRole,
      problems: ["resource.conflict"],
      summary: "Gives a person another role.",
    },
    async ({ body, exchange, params }) => {
      await services().ringwall.identity.changeRole(caller(exchange), params.id, body.role);
      return DONE;
    },
  ),
  route(
    "POST",
    "/v1/users/:id/disable",
    { ...change, problems: ["resource.conflict"], summary: "Disables a person; their sessions end at once." },
    async ({ exchange, params }) => {
      await services().ringwall.identity.disableUser(caller(exchange), params.id);
      return DONE;
    },
  ),
  route(
    "POST",
    "/v1/users/:id/enable",
    { ...change, summary: "Lets a disabled person sign in again." },
    async ({ exchange, params }) => {
      await services().ringwall.identity.enableUser(caller(exchange), params.id);
      return DONE;
    },
  ),
  route(
    "DELETE",
    "/v1/users/:id/sessions",
    // No fresh factor: whoever sees a break-in must be able to end it at once, and nobody gains anything by it.
    { ...administer, params: Id, summary: "Ends all sessions of a person at once." },
    async ({ exchange, params }) => {
      // Whether there is such a user is identity's word.
      await services().ringwall.identity.revokeSessions(caller(exchange), params.id as UserId);
      return DONE;
    },
  ),
];

function userAnswer(view: UserView): z.input<typeof User> {
  const { email, name, role, secondFactor, status, user } = view;
  return { id: user, email, name, role, status, second_factor: secondFactor };
}
