import { route, signedInAnswer, signedOutAnswer } from "ringwall/adapters/fastify";
import { requests } from "ringwall/application/identity";
import { caller } from "./caller.ts";
import { originOf, type Routes } from "./services.ts";

/** Signing in, in its steps, and signing out. */
export const signIn: Routes = ({ ringwall: { identity } }) => [
  route(
    "POST",
    "/v1/sign-in",
    {
      access: "public",
      body: requests.signIn,
      limit: "sign-in",
      summary: "Gives tenant, address and password.",
      tag: "sign-in",
    },
    async ({ body, exchange }) => signedInAnswer(exchange, await identity.signIn(body, originOf(exchange))),
  ),
  route(
    "POST",
    "/v1/sign-in/code",
    {
      access: "public",
      body: requests.loginCode,
      limit: "sign-in",
      summary: "Gives the second factor's code.",
      tag: "sign-in",
    },
    async ({ body, exchange }) =>
      signedInAnswer(exchange, await identity.giveCode(body.login, body.code, originOf(exchange))),
  ),
  route(
    "POST",
    "/v1/sign-in/enrolment",
    {
      access: "public",
      body: requests.loginEnrolment,
      limit: "sign-in",
      summary: "Begins setting up a second factor.",
      tag: "sign-in",
    },
    async ({ body }) => {
      const { base32, uri } = await identity.beginLoginEnrolment(body.login);
      // The one time the seed is told: the person's authenticator needs it.
      return { uri: uri.open(), secret: base32.open() };
    },
  ),
  route(
    "POST",
    "/v1/sign-in/enrolment/confirm",
    {
      access: "public",
      body: requests.loginCode,
      limit: "sign-in",
      summary: "Finishes setting up a second factor.",
      tag: "sign-in",
    },
    async ({ body, exchange }) =>
      signedInAnswer(exchange, await identity.confirmLoginEnrolment(body.login, body.code, originOf(exchange))),
  ),
  route(
    "DELETE",
    "/v1/session",
    { access: "principal", summary: "Signs out.", tag: "sign-in" },
    async ({ exchange }) => {
      await identity.signOut(caller(exchange));
      return signedOutAnswer(exchange);
    },
  ),
];
