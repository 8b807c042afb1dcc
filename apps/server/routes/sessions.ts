import { route, signedInAnswer, signedOutAnswer } from "ringwall/adapters/fastify";
import { requests, type SessionView } from "ringwall/application/identity";
import { TenantIdText, Uuid } from "ringwall/application/input";
import { isoTime, type UserId } from "ringwall/core";
import { caller, originOf } from "ringwall/pipeline";
import { z } from "zod";
import { DONE, Enrolment, enrolmentAnswer, list, SignedIn, Time } from "./answers.ts";
import { partyOf } from "./party.ts";
import { type Routes, SMALL_BODY_BYTES } from "./services.ts";

const Who = z.strictObject({
  tenant: TenantIdText,
  user: Uuid,
  role: z.string(),
  aal: z.int().describe("1: a password alone. 2: a second factor was given too."),
  sid: Uuid,
});

const Session = z.strictObject({
  sid: Uuid,
  user: Uuid,
  current: z.boolean(),
  aal: z.int(),
  address_prefix: z.string().nullable(),
  user_agent: z.string().nullable(),
  created_at: Time,
  last_seen_at: Time,
  expires_at: Time,
});

// A user's id from outside; whether there is such a user, and whether the caller may know, is identity's word.
const UserIdText = Uuid.transform((text) => text as UserId);

const own = { access: "principal", tag: "sessions" } as const;
const factor = { ...own, limit: "sign-in", bodyBytesMax: SMALL_BODY_BYTES } as const;
const WRONG = ["identity.sign_in_failed", "identity.attempts_exhausted"] as const;

/** Sessions: where somebody is signed in, and ending that; and the second factor that some acts ask for. */
export const sessions: Routes = (services) => [
  route("GET", "/v1/session", { ...own, output: Who, summary: "Who is signed in." }, ({ exchange }) => {
    const { aal, role, session, tenant, user } = caller(exchange);
    return { tenant, user, role, aal, sid: session };
  }),
  route(
    "GET",
    "/v1/session/state",
    {
      ...own,
      isUse: false,
      output: z.strictObject({ sid: Uuid }),
      summary: "Says whether the session is still good, which is no use of it: an idle one ends all the same.",
    },
    ({ exchange }) => ({ sid: caller(exchange).session }),
  ),
  route(
    "POST",
    "/v1/session/step-up",
    {
      ...factor,
      body: requests.stepUp,
      output: SignedIn,
      problems: WRONG,
      summary: "Gives a fresh second factor; the session is replaced.",
    },
    async ({ body, exchange }) =>
      signedInAnswer(
        exchange,
        await services().ringwall.identity.stepUp(caller(exchange), body.code, originOf(exchange)),
      ),
  ),
  route(
    "POST",
    "/v1/session/enrolment",
    {
      ...factor,
      body: requests.beginEnrolment,
      output: Enrolment,
      problems: [...WRONG, "access.step_up_required", "identity.overloaded"],
      summary: "Begins setting up a second factor, or another one in its place.",
    },
    async ({ body, exchange }) => {
      const { identity } = services().ringwall;
      return enrolmentAnswer(await identity.beginEnrolment(caller(exchange), body.password, originOf(exchange)));
    },
  ),
  route(
    "POST",
    "/v1/session/enrolment/confirm",
    {
      ...factor,
      body: requests.stepUp,
      output: SignedIn,
      problems: [...WRONG, "access.step_up_required", "resource.conflict"],
      summary: "Finishes setting up a second factor; the session is replaced.",
    },
    async ({ body, exchange }) => {
      const { identity } = services().ringwall;
      return signedInAnswer(exchange, await identity.confirmEnrolment(caller(exchange), body.code, originOf(exchange)));
    },
  ),
  ...listed(services),
];

const listed: Routes = (services) => [
  route(
    "GET",
    "/v1/sessions",
    {
      access: "principalOrOperator",
      query: z.strictObject({ tenant: TenantIdText.optional(), user: UserIdText.optional() }),
      output: list(Session),
      problems: ["resource.not_found"],
      summary: "One's own sessions, or with admin:users those of somebody of the tenant.",
      tag: "sessions",
    },
    async ({ exchange, query }) => {
      const { identity } = services().ringwall;
      const party = partyOf(exchange, query.tenant, "query");
      const views = party.operator
        ? await identity.listSessionsLocally(party.tenant, query.user)
        : await identity.listSessions(party.principal, query.user);
      return { items: views.map(sessionAnswer) };
    },
  ),
  route(
    "DELETE",
    "/v1/sessions",
    { ...own, summary: "Ends all of one's own sessions, this one too." },
    async ({ exchange }) => {
      await services().ringwall.identity.revokeSessions(caller(exchange));
      return signedOutAnswer(exchange);
    },
  ),
  route(
    "DELETE",
    "/v1/sessions/:sid",
    {
      access: "principalOrOperator",
      params: z.strictObject({ sid: Uuid }),
      query: z.strictObject({ tenant: TenantIdText.optional() }),
      summary: "Ends a session at once.",
      tag: "sessions",
    },
    async ({ exchange, params, query }) => {
      const { identity } = services().ringwall;
      const party = partyOf(exchange, query.tenant, "query");
      if (party.operator) await identity.revokeSessionLocally(party.tenant, params.sid);
      else await identity.revokeSession(party.principal, params.sid);
      return DONE;
    },
  ),
];

function sessionAnswer(view: SessionView): z.input<typeof Session> {
  return {
    sid: view.session,
    user: view.user,
    current: view.current,
    aal: view.aal,
    address_prefix: view.addressPrefix ?? null,
    user_agent: view.userAgent ?? null,
    created_at: isoTime(view.createdMs),
    last_seen_at: isoTime(view.lastSeenMs),
    expires_at: isoTime(view.expiresMs),
  };
}
