import { Secret, TOTP } from "otpauth";
import { randomToken } from "ringwall/core";
import { CommandFailed } from "../../command.ts";
import { type Answer, type Ask, member, textOf } from "./http.ts";
import type { Authenticator, Backstage, Invitation, Person } from "./stage.ts";

const STEP_MS = 30_000;
// Codes are given this long after a step begins, so that none is on its way when the step ends.
const STEP_MARGIN_MS = 200;

// A request is answered long before the step is over.
const AHEAD_MS_MIN = 10_000;

export function strongPassword(stage: Backstage): string {
  return stage.secret(`Correct-${randomToken(18)}`);
}

/** Accepts an invitation and, where the role asks for it, sets up the second factor. */
export async function join(
  stage: Backstage,
  tenant: string,
  invitation: Invitation,
  password: string,
  name = "Alex Example",
): Promise<Person> {
  const body = { token: invitation.token, name, password };
  const from = stage.visitor();
  const joined = await stage.must({ method: "POST", path: "/v1/invitations/accept", body, from });
  const { answer, app } =
    member(joined, "next") === "done"
      ? { answer: joined, app: undefined }
      : await enrol(stage, stage.secret(textOf(joined, "login")), from);
  const session = stage.secret(textOf(answer, "token"));
  const seen = await stage.must({ method: "GET", path: "/v1/session", session });
  const common = { tenant, email: invitation.email, password, session };
  return { ...common, user: textOf(seen, "user"), sid: textOf(seen, "sid"), app };
}

async function enrol(stage: Backstage, login: string, from: string): Promise<{ answer: Answer; app: Authenticator }> {
  const begun = await stage.must({ method: "POST", path: "/v1/sign-in/enrolment", body: { login }, from });
  const app = authenticator(stage, stage.secret(textOf(begun, "secret")));
  const body = { login, code: await app.code() };
  const answer = await stage.must({ method: "POST", path: "/v1/sign-in/enrolment/confirm", body, from });
  return { answer, app };
}

/** An authenticator for a seed as the enrolment tells it. */
export function authenticator(stage: Backstage, seed: string): Authenticator {
  const totp = new TOTP({ secret: Secret.fromBase32(seed), algorithm: "SHA1", digits: 6, period: STEP_MS / 1_000 });
  const at = (step: number): string => totp.generate({ timestamp: step * STEP_MS });
  const now = (): number => Math.floor(stage.clock() / STEP_MS);
  let last = -1;
  return {
    async code() {
      while (now() <= last) await stage.delay(Math.max(1, (last + 1) * STEP_MS - stage.clock()) + STEP_MARGIN_MS);
      last = now();
      return stage.secret(at(last));
    },
    lastCode: () => at(last),
    async ahead() {
      const left = STEP_MS - (stage.clock() % STEP_MS);
      if (left < AHEAD_MS_MIN) await stage.delay(left + STEP_MARGIN_MS);
      return at(now() + 1);
    },
    wrong() {
      const near = new Set([-1, 0, 1, 2].map((offset) => at(now() + offset)));
      for (let guess = 0; ; guess += 1) {
        const code = String(guess).padStart(6, "0");
        if (!near.has(code)) return code;
      }
    },
  };
}

/** The authenticator of somebody whose role has one. */
export function appOf(person: Person): Authenticator {
  if (person.app === undefined) throw new CommandFailed("this person has no second factor");
  return person.app;
}

/** The first step of signing in, as a request. */
export function signInAsk(
  person: Person,
  over: Partial<{ tenant: string; email: string; password: string }> = {},
): Ask {
  const { tenant, email, password } = person;
  return { method: "POST", path: "/v1/sign-in", body: { tenant, email, password, ...over } };
}

/** Signs in with the password alone and returns the token of the sign-in under way. */
export async function beginSignIn(stage: Backstage, person: Person): Promise<string> {
  return stage.secret(textOf(await stage.must(signInAsk(person)), "login"));
}
