import type { Attack } from "../attack.ts";
import { type Answer, type Ask, textOf } from "../http.ts";
import { strongPassword } from "../people.ts";
import type { Person, Stage } from "../stage.ts";

const NOT_FOUND = { status: 404, code: "resource.not_found" } as const;
const LINK_INVALID = { status: 400, code: "identity.link_invalid" } as const;
const REQUIRED = { status: 401, code: "identity.sign_in_required" } as const;
const FAILED = { status: 401, code: "identity.sign_in_failed" } as const;

/** Coming back after a loss, which is a way in for others too, and binding a device from within a session. */
export const recoveryAttacks: readonly Attack[] = [
  {
    id: "recovery-for-a-stranger",
    title: "An owner makes a recovery link for a person of the other bank",
    flaws: [33, 36],
    layer: 4,
    expected: NOT_FOUND,
    differs: "whose person it is",
    target: "api",
    async scene({ a, b }) {
      const [own, other] = [await a.person("viewer"), await b.person("viewer")];
      const ask = (user: string): Ask => recoveryAsk(a.owner, user, "password");
      return { twin: ask(own.user), attack: ask(other.user) };
    },
  },
  {
    id: "recovery-of-the-owner",
    title: "An administrator takes the owner's account over by a recovery link",
    flaws: [36],
    layer: 3,
    expected: { status: 403, code: "access.denied" },
    differs: "for whom the link is",
    target: "api",
    async scene({ a }) {
      const [admin, viewer] = [await a.person("admin"), await a.person("viewer")];
      const ask = (user: string): Ask => recoveryAsk(admin, user, "password");
      return { twin: ask(viewer.user), attack: ask(a.owner.user) };
    },
  },
  {
    id: "recovery-link-used-twice",
    title: "A recovery link that was used is used again",
    flaws: [36],
    layer: 3,
    expected: LINK_INVALID,
    differs: "a link that was not used",
    target: "api",
    async scene(stage) {
      const token = await recoveryLink(stage, await stage.a.person("viewer"), "password");
      const password = strongPassword(stage);
      const redeem = async (): Promise<Answer> => await stage.send(redeemAsk(token, password));
      return { twin: redeem, attack: redeem };
    },
  },
  {
    id: "link-of-another-kind",
    title: "An invitation is used as a recovery link",
    flaws: [4, 36],
    layer: 3,
    expected: LINK_INVALID,
    differs: "the kind of link",
    target: "api",
    async scene(stage) {
      const token = await recoveryLink(stage, await stage.a.person("viewer"), "password");
      const { token: other } = await stage.a.invite("viewer");
      const password = strongPassword(stage);
      return { twin: redeemAsk(token, password), attack: redeemAsk(other, password) };
    },
  },
  {
    id: "recovery-of-the-factor-alone",
    title: "Whoever got hold of a link for a lost second factor comes in without the password",
    flaws: [3, 36],
    layer: 3,
    expected: FAILED,
    differs: "the password",
    target: "api",
    async scene(stage) {
      const [one, other] = [await stage.a.person("admin"), await stage.a.person("admin")];
      const [first, second] = [await recoveryLink(stage, one, "factor"), await recoveryLink(stage, other, "factor")];
      return { twin: redeemAsk(first, one.password), attack: redeemAsk(second, "not-the-password-at-all") };
    },
  },
  {
    id: "session-outlives-recovery",
    title: "A thief's session goes on after its owner came back with a new password",
    flaws: [29, 36],
    layer: 3,
    expected: REQUIRED,
    differs: "the recovery",
    target: "api",
    async scene(stage) {
      const person = await stage.a.person("viewer");
      const token = await recoveryLink(stage, person, "password");
      const look = async (): Promise<Answer> =>
        await stage.send({ method: "GET", path: "/v1/session", session: person.session });
      return {
        twin: look,
        async attack() {
          await stage.must(redeemAsk(token, strongPassword(stage)));
          return await look();
        },
      };
    },
  },
  {
    id: "device-bound-with-a-session",
    title: "A stolen session binds the thief's authenticator to the account",
    flaws: [2, 36],
    layer: 3,
    expected: FAILED,
    differs: "the password",
    target: "api",
    async scene({ a }) {
      const { password, session } = await a.person("editor");
      const ask = (given: string): Ask => ({
        method: "POST",
        path: "/v1/session/enrolment",
        session,
        body: { password: given },
      });
      return { twin: ask(password), attack: ask("not-the-password-at-all") };
    },
  },
  {
    id: "sessions-of-a-stranger",
    title: "An owner ends all sessions of a person of the other bank",
    flaws: [29, 33],
    layer: 4,
    expected: NOT_FOUND,
    differs: "whose person it is",
    target: "api",
    async scene(stage) {
      const { a, b } = stage;
      const [own, other] = [await a.person("viewer"), await b.person("viewer")];
      const ask = (user: string): Ask => ({
        method: "DELETE",
        path: `/v1/users/${user}/sessions`,
        session: a.owner.session,
      });
      return {
        twin: ask(own.user),
        attack: ask(other.user),
        async holds() {
          const alive = await stage.send({ method: "GET", path: "/v1/session", session: other.session });
          return alive.status === 200 ? undefined : "the other bank's person is signed out";
        },
      };
    },
  },
  {
    id: "sessions-of-a-colleague",
    title: "An editor lists where the administrator is signed in",
    flaws: [29, 43],
    layer: 3,
    expected: { status: 403, code: "access.denied" },
    differs: "whose sessions they are",
    target: "api",
    async scene({ a }) {
      const editor = await a.person("editor");
      const ask = (user: string): Ask => ({
        method: "GET",
        path: `/v1/sessions?user=${user}`,
        session: editor.session,
      });
      return { twin: ask(editor.user), attack: ask(a.owner.user) };
    },
  },
];

function recoveryAsk({ session }: Person, user: string, kind: "password" | "factor"): Ask {
  return { method: "POST", path: `/v1/users/${user}/recoveries`, session, body: { kind } };
}

function redeemAsk(token: string, password: string): Ask {
  return { method: "POST", path: "/v1/recoveries", body: { token, password } };
}

/** A recovery link that the owner of bank A makes for one of its people. Returns its token. */
async function recoveryLink(stage: Stage, person: Person, kind: "password" | "factor"): Promise<string> {
  const made = await stage.must(recoveryAsk(stage.a.owner, person.user, kind));
  return stage.secret(textOf(made, "link").split("#")[1] ?? "");
}
