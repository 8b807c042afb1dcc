import type { Attack } from "../attack.ts";
import { type Answer, type Ask, textOf } from "../http.ts";
import { appOf, beginSignIn } from "../people.ts";
import type { Person, Stage } from "../stage.ts";

const FAILED = { status: 401, code: "identity.sign_in_failed" } as const;
const REQUIRED = { status: 401, code: "identity.sign_in_required" } as const;
const EXHAUSTED = { status: 429, code: "identity.attempts_exhausted" } as const;
/** Wrong codes of one account in the window. */
const WRONG_MAX = 10;

/** The second factor: used twice, guessed, gone around. */
export const secondFactorAttacks: readonly Attack[] = [
  {
    id: "totp-replay",
    title: "A code that was looked at over a shoulder is used again within its step",
    flaws: [17],
    layer: 3,
    expected: FAILED,
    differs: "a code that was not used yet",
    target: "api",
    async scene(stage) {
      const admin = await stage.a.person("admin");
      const app = appOf(admin);
      const [first, second] = [await beginSignIn(stage, admin), await beginSignIn(stage, admin)];
      return {
        twin: async () => await give(stage, first, await app.code()),
        attack: async () => await give(stage, second, app.lastCode()),
      };
    },
  },
  {
    id: "totp-parallel-replay",
    title: "One code is brought to many sign-ins at once",
    flaws: [17],
    layer: 4,
    expected: FAILED,
    differs: "the code is brought once",
    target: "api",
    async scene(stage) {
      const [one, other] = [await stage.a.person("admin"), await stage.a.person("admin")];
      const login = await beginSignIn(stage, one);
      const logins = await Promise.all(Array.from({ length: 5 }, async () => await beginSignIn(stage, other)));
      return {
        twin: async () => await give(stage, login, await appOf(one).code()),
        async attack() {
          const code = await appOf(other).code();
          const answers = await Promise.all(logins.map((each) => give(stage, each, code)));
          const opened = answers.filter((answer) => answer.status === 200);
          // One of them is lawful.
          return opened.length === 1 ? answers.filter((answer) => answer.status !== 200) : answers;
        },
      };
    },
  },
  {
    id: "totp-brute-force",
    title: "Codes are guessed until one fits",
    flaws: [17],
    layer: 3,
    expected: REQUIRED,
    differs: "one wrong guess fewer",
    target: "api",
    async scene(stage) {
      const [one, other] = [await stage.a.person("admin"), await stage.a.person("admin")];
      const story = async (person: Person, guesses: number): Promise<Answer> => {
        const login = await beginSignIn(stage, person);
        await guess(stage, person, login, guesses);
        return await give(stage, login, await appOf(person).code());
      };
      return {
        twin: async () => await story(one, WRONG_MAX - 1),
        attack: async () => await story(other, WRONG_MAX),
      };
    },
  },
  {
    id: "totp-brute-force-fresh-logins",
    title: "Each sign-in begun anew gives fresh guesses at the code",
    flaws: [17],
    layer: 3,
    expected: EXHAUSTED,
    differs: "one wrong guess fewer",
    target: "api",
    async scene(stage) {
      const [one, other] = [await stage.a.person("admin"), await stage.a.person("admin")];
      const story = async (person: Person, guesses: number): Promise<Answer> => {
        for (let left = guesses; left > 0; left -= 4) {
          await guess(stage, person, await beginSignIn(stage, person), Math.min(left, 4));
        }
        return await give(stage, await beginSignIn(stage, person), await appOf(person).code());
      };
      return {
        twin: async () => await story(one, WRONG_MAX - 1),
        attack: async () => await story(other, WRONG_MAX),
      };
    },
  },
  {
    id: "code-ahead-of-time",
    title: "The code of the next step is tried, as a window of one step either way would take it",
    flaws: [17],
    layer: 3,
    expected: FAILED,
    differs: "the step the code is for",
    target: "api",
    async scene(stage) {
      const [one, other] = [await stage.a.person("admin"), await stage.a.person("admin")];
      const [first, second] = [await beginSignIn(stage, one), await beginSignIn(stage, other)];
      return {
        twin: async () => await give(stage, first, await appOf(one).code()),
        attack: async () => await give(stage, second, await appOf(other).ahead()),
      };
    },
  },
  {
    id: "password-alone",
    title: "The token that the password alone gives is used as a session",
    flaws: [2, 3, 4],
    layer: 3,
    expected: REQUIRED,
    differs: "the token",
    target: "api",
    async scene(stage) {
      const admin = await stage.a.person("admin");
      const login = await beginSignIn(stage, admin);
      const look = async (session: string): Promise<Answer> =>
        await stage.send({ method: "GET", path: "/v1/users", session });
      return {
        twin: async () => await look(admin.session),
        attack: async () => [await look(login), await look(login.replace("rwl_", "rws_"))],
      };
    },
  },
  {
    id: "second-enrolment",
    title: "Whoever has the password alone binds a device of their own to the account",
    flaws: [2],
    layer: 3,
    expected: { status: 400, code: "request.invalid" },
    differs: "an account without a second factor",
    target: "api",
    async scene(stage) {
      const { a } = stage;
      const admin = await a.person("admin");
      const password = stage.secret("granite-otter-fifteen-lamps");
      const { token } = await a.invite("admin");
      const body = { token, name: "Alex Example", password };
      const bare = textOf(await stage.must({ method: "POST", path: "/v1/invitations/accept", body }), "login");
      const ask = (login: string) => ({ method: "POST", path: "/v1/sign-in/enrolment", body: { login } });
      return { twin: ask(stage.secret(bare)), attack: ask(await beginSignIn(stage, admin)) };
    },
  },
  {
    id: "session-as-login",
    title: "A session's token, or a link's, is brought where a sign-in's belongs",
    flaws: [4],
    layer: 3,
    expected: REQUIRED,
    differs: "the kind of token",
    target: "api",
    async scene(stage) {
      const { a } = stage;
      const admin = await a.person("admin");
      const { token } = await a.invite("viewer");
      const login = await beginSignIn(stage, admin);
      return {
        twin: async () => await give(stage, login, await appOf(admin).code()),
        attack: async () => {
          const code = await appOf(admin).code();
          const tokens = [admin.session, token, admin.session.replace("rws_", "rwl_"), token.replace("rwk_", "rwl_")];
          return await Promise.all(tokens.map(async (each) => await give(stage, each, code)));
        },
      };
    },
  },
  {
    id: "login-used-twice",
    title: "A sign-in that was finished is finished again with another code",
    flaws: [3, 9],
    layer: 3,
    expected: REQUIRED,
    differs: "a sign-in that is not over",
    target: "api",
    async scene(stage) {
      const admin = await stage.a.person("admin");
      const login = await beginSignIn(stage, admin);
      return {
        twin: async () => await give(stage, login, await appOf(admin).code()),
        attack: async () => await give(stage, login, await appOf(admin).code()),
      };
    },
  },
];

async function give(stage: Stage, login: string, code: string): Promise<Answer> {
  return await stage.send(codeAsk(login, code));
}

function codeAsk(login: string, code: string): Ask {
  return { method: "POST", path: "/v1/sign-in/code", body: { login, code } };
}

async function guess(stage: Stage, person: Person, login: string, times: number): Promise<void> {
  for (let turn = 0; turn < times; turn += 1) {
    await stage.prepare(codeAsk(login, appOf(person).wrong()));
  }
}
