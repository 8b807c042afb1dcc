import type { Attack } from "../attack.ts";
import { type Answer, type Ask, itemsOf, textOf } from "../http.ts";
import { appOf, signInAsk } from "../people.ts";

const REQUIRED = { status: 401, code: "identity.sign_in_required" } as const;
const LINK_INVALID = { status: 400, code: "identity.link_invalid" } as const;

/** What sessions and one-time links are good for, and for how long. */
export const sessionAttacks: readonly Attack[] = [
  {
    id: "session-fixation",
    title: "A session that somebody else knew is raised by its owner's second factor",
    flaws: [8],
    layer: 3,
    expected: REQUIRED,
    differs: "the session after the second factor instead of the one before",
    target: "api",
    async scene(stage) {
      const admin = await stage.a.person("admin");
      const body = { code: await appOf(admin).code() };
      const raised = await stage.must({ method: "POST", path: "/v1/session/step-up", session: admin.session, body });
      const look = (session: string): Ask => ({ method: "GET", path: "/v1/session", session });
      const fresh = stage.secret(textOf(raised, "token"));
      return {
        twin: look(fresh),
        attack: look(admin.session),
        holds: () => (textOf(raised, "session") === admin.sid ? "the session kept its public name" : undefined),
      };
    },
  },
  {
    id: "revoked-session",
    title: "A session is used after its owner signed out",
    flaws: [9, 29],
    layer: 3,
    expected: REQUIRED,
    differs: "the signing out",
    target: "api",
    async scene(stage) {
      const person = await stage.a.person("editor");
      const look = async (): Promise<Answer> =>
        await stage.send({ method: "GET", path: "/v1/session", session: person.session });
      return {
        twin: look,
        async attack() {
          await stage.must({ method: "DELETE", path: "/v1/session", session: person.session });
          return await look();
        },
      };
    },
  },
  {
    id: "session-ended-elsewhere",
    title: "A stolen session is used after its owner ended it from another one",
    flaws: [29],
    layer: 3,
    expected: REQUIRED,
    differs: "the ending",
    target: "api",
    async scene(stage) {
      const person = await stage.a.person("editor");
      const other = stage.secret(textOf(await stage.must(signInAsk(person)), "token"));
      const look = async (): Promise<Answer> =>
        await stage.send({ method: "GET", path: "/v1/session", session: person.session });
      return {
        twin: look,
        async attack() {
          await stage.must({ method: "DELETE", path: `/v1/sessions/${person.sid}`, session: other });
          return await look();
        },
      };
    },
  },
  {
    id: "revoked-session-raised",
    title: "A session that was ended comes back by giving it a second factor",
    flaws: [9],
    layer: 3,
    expected: REQUIRED,
    differs: "a session that is not over",
    target: "api",
    async scene(stage) {
      const [one, other] = [await stage.a.person("admin"), await stage.a.person("admin")];
      const raise = async (person: typeof one): Promise<Answer> => {
        const body = { code: await appOf(person).code() };
        return await stage.send({ method: "POST", path: "/v1/session/step-up", session: person.session, body });
      };
      return {
        twin: async () => await raise(one),
        async attack() {
          await stage.must({ method: "DELETE", path: "/v1/session", session: other.session });
          return await raise(other);
        },
      };
    },
  },
  {
    id: "public-session-name",
    title: "A session's public name, which lists show, is used as its token",
    flaws: [7],
    layer: 3,
    expected: REQUIRED,
    differs: "the token",
    target: "api",
    async scene(stage) {
      const { a } = stage;
      const person = await a.person("editor");
      const list = await stage.must({ method: "GET", path: "/v1/sessions", session: person.session });
      const names = itemsOf(list).map((item) => String(item["sid"]));
      const look = async (session: string): Promise<Answer> =>
        await stage.send({ method: "GET", path: "/v1/session", session });
      return {
        twin: async () => await look(person.session),
        attack: async () => await Promise.all(names.flatMap((name) => [look(name), look(`rws_${name}`)])),
        holds: () => (list.text.includes(person.session.slice(4)) ? "the list shows the token" : undefined),
      };
    },
  },
  {
    id: "token-of-another-kind",
    title: "A link's token is used as a session",
    flaws: [4],
    layer: 3,
    expected: REQUIRED,
    differs: "the kind of token",
    target: "api",
    async scene(stage) {
      const { a } = stage;
      const person = await a.person("editor");
      const { token } = await a.invite("viewer");
      const look = async (session: string): Promise<Answer> =>
        await stage.send({ method: "GET", path: "/v1/session", session });
      return {
        twin: async () => await look(person.session),
        attack: async () => [await look(token), await look(token.replace("rwk_", "rws_"))],
      };
    },
  },
  {
    id: "token-in-query",
    title: "A session's token is taken from the address, where logs and histories keep it",
    flaws: [52],
    layer: 3,
    expected: REQUIRED,
    differs: "where the token stands",
    differsIn: ["path", "session"],
    target: "api",
    async scene(stage) {
      const { session } = await stage.a.person("editor");
      const get = async (path: string, bearer?: string): Promise<Answer> =>
        await stage.send({ method: "GET", path, ...(bearer === undefined ? {} : { session: bearer }) });
      return {
        twin: async () => await get("/v1/session", session),
        attack: async () =>
          await Promise.all(["access_token", "token", "session"].map((name) => get(`/v1/session?${name}=${session}`))),
      };
    },
  },
  {
    id: "two-credentials",
    title: "A request brings two sessions, so that two readers may believe two people",
    flaws: [],
    layer: 3,
    expected: { status: 400, code: "request.malformed" },
    differs: "the cookie",
    target: "api",
    async scene(stage) {
      const [one, other] = [await stage.a.person("viewer"), await stage.b.person("viewer")];
      const ask = { method: "GET", path: "/v1/session", session: one.session };
      const cookie = `__Host-rw_session=${other.session}`;
      return { twin: ask, attack: { ...ask, headers: { cookie } } };
    },
  },
  {
    id: "link-used-twice",
    title: "An invitation that was accepted is accepted again",
    flaws: [36],
    layer: 3,
    expected: LINK_INVALID,
    differs: "a link that was not used",
    target: "api",
    async scene(stage) {
      const { token } = await stage.a.invite("viewer");
      const password = stage.secret("granite-otter-fifteen-lamps");
      const body = { token, name: "Alex Example", password };
      const accept = async (): Promise<Answer> =>
        await stage.send({ method: "POST", path: "/v1/invitations/accept", body });
      return { twin: accept, attack: accept };
    },
  },
  {
    id: "link-used-at-once",
    title: "Two accept one invitation at the same moment",
    flaws: [36],
    layer: 4,
    expected: LINK_INVALID,
    differs: "one comes alone",
    target: "api",
    async scene(stage) {
      const [one, other] = [await stage.a.invite("viewer"), await stage.a.invite("viewer")];
      const password = stage.secret("granite-otter-fifteen-lamps");
      const accept = async (token: string): Promise<Answer> => {
        const body = { token, name: "Alex Example", password };
        return await stage.send({ method: "POST", path: "/v1/invitations/accept", body });
      };
      return {
        twin: async () => await accept(one.token),
        async attack() {
          const answers = await Promise.all(Array.from({ length: 4 }, async () => await accept(other.token)));
          const joined = answers.filter((answer) => answer.status === 200);
          return joined.length === 1 ? answers.filter((answer) => answer.status !== 200) : answers;
        },
      };
    },
  },
  {
    id: "old-link-after-reissue",
    title: "A link is used after a newer one was made for the same person",
    flaws: [36],
    layer: 3,
    expected: LINK_INVALID,
    differs: "the newer link",
    target: "api",
    async scene(stage) {
      const old = await stage.a.invite("viewer");
      const fresh = await stage.a.invite("viewer", old.email);
      const password = stage.secret("granite-otter-fifteen-lamps");
      const ask = (token: string) => ({
        method: "POST",
        path: "/v1/invitations/accept",
        body: { token, name: "Alex Example", password },
      });
      // The old one is tried first: afterwards the account exists, and that would refuse it too.
      const tried = await stage.send(ask(old.token));
      return { twin: ask(fresh.token), attack: async () => await Promise.resolve(tried) };
    },
  },
];
