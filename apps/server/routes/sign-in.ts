import { route, signedInAnswer, signedOutAnswer } from "ringwall/adapters/fastify";
import { requests } from "ringwall/application/identity";
import { caller, originOf } from "ringwall/pipeline";
import { Enrolment, enrolmentAnswer, SignedIn } from "./answers.ts";
import { entrance, type Routes } from "./services.ts";

const step = { ...entrance, tag: "sign-in" } as const;
const answersStep = {
  ...step,
  output: SignedIn,
  problems: ["identity.sign_in_failed", "identity.sign_in_required", "identity.attempts_exhausted"],
} as const;

/** Signing in, in its steps, and signing out. */
export const signIn: Routes = (services) => [
  route(
    "POST",
    "/v1/sign-in",
    {
      ...step,
      body: requests.signIn,
      output: SignedIn,
      problems: ["identity.sign_in_failed", "identity.overloaded"],
      summary: "Gives tenant, address and password.",
    },
    async ({ body, exchange }) =>
      signedInAnswer(exchange, await services().ringwall.identity.signIn(body, originOf(exchange))),
  ),
  route(
    "POST",
    "/v1/sign-in/code",
    { ...answersStep, body: requests.loginCode, summary: "Gives the second factor's code." },
    async ({ body: { code, login }, exchange }) =>
      signedInAnswer(exchange, await services().ringwall.identity.giveCode(login, code, originOf(exchange))),
  ),
  route(
    "POST",
    "/v1/sign-in/enrolment",
    {
      ...step,
      body: requests.loginEnrolment,
      output: Enrolment,
      problems: ["identity.sign_in_required"],
      summary: "Begins setting up a second factor.",
    },
    async ({ body }) => enrolmentAnswer(await services().ringwall.identity.beginLoginEnrolment(body.login)),
  ),
  route(
    "POST",
    "/v1/sign-in/enrolment/confirm",
    { ...answersStep, body: requests.loginCode, summary: "Finishes setting up a second factor." },
    async ({ body: { code, login }, exchange }) =>
      signedInAnswer(
        exchange,
        await services().ringwall.identity.confirmLoginEnrolment(login, code, originOf(exchange)),
      ),
  ),
  route(
    "DELETE",
    "/v1/session",
    { access: "principal", summary: "Signs out.", tag: "sign-in" },
    async ({ exchange }) => {
      await services().ringwall.identity.signOut(caller(exchange));
      return signedOutAnswer(exchange);
    },
  ),
];
