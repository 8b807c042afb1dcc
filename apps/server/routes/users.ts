import { Answer, route } from "ringwall/adapters/fastify";
import { requests, type UserView } from "ringwall/application/identity";
import { Uuid } from "ringwall/application/input";
import { z } from "zod";
import { caller } from "./caller.ts";
import { FRESH_SECONDS, type Routes } from "./services.ts";

const Id = z.strictObject({ id: Uuid });
const administer = { access: { permission: "admin:users" }, tag: "users" } as const;
const change = { ...administer, stepUpSeconds: FRESH_SECONDS } as const;

/** The people of one's own tenant. */
export const users: Routes = ({ ringwall: { identity } }) => [
  route(
    "GET",
    "/v1/users",
    { ...administer, query: z.strictObject({ after: Uuid.optional() }), summary: "Lists the tenant's people." },
    async ({ exchange, query }) => ({
      items: (await identity.listUsers(caller(exchange), query.after)).map(userAnswer),
    }),
  ),
  route(
    "PUT",
    "/v1/users/:id/role",
    { ...change, params: Id, body: requests.changeRole, summary: "Gives a person another role." },
    async ({ body, exchange, params }) => {
      await identity.changeRole(caller(exchange), params.id, body.role);
      return new Answer(204, undefined);
    },
  ),
  route(
    "POST",
    "/v1/users/:id/disable",
    { ...change, params: Id, summary: "Disables a person; their sessions end at once." },
    async ({ exchange, params }) => {
      await identity.disableUser(caller(exchange), params.id);
      return new Answer(204, undefined);
    },
  ),
  route(
    "POST",
    "/v1/users/:id/enable",
    { ...change, params: Id, summary: "Lets a disabled person sign in again." },
    async ({ exchange, params }) => {
      await identity.enableUser(caller(exchange), params.id);
      return new Answer(204, undefined);
    },
  ),
];

function userAnswer(view: UserView) {
  const { email, name, role, secondFactor, status, user } = view;
  return { id: user, email, name, role, status, second_factor: secondFactor };
}
