import type { Attack } from "../attack.ts";
import { type Answer, fingerprint } from "../http.ts";
import { signInAsk } from "../people.ts";
import type { Person, Stage } from "../stage.ts";

const FAILED = { status: 401, code: "identity.sign_in_failed" } as const;
const RATE_LIMITED = { status: 429, code: "request.rate_limited" } as const;
/** The founding document's figure: the fifth wrong password locks. */
const WRONG_MAX = 5;
/** More than one address may try at once; the figure is the perimeter's. */
const BURST = 20;

/** Guessing, finding out who is there, and getting around the limits on both. */
export const signInAttacks: readonly Attack[] = [
  {
    id: "account-enumeration",
    title: "Unknown, wrong, disabled, locked and suspended are told apart by the answer",
    flaws: [12, 13],
    layer: 3,
    expected: FAILED,
    differs: "an account that exists and may sign in, or the password",
    target: "api",
    async scene(stage) {
      const { a } = stage;
      const other = await stage.bank();
      // One password for all of them, and one address at both banks: so each try differs in one thing.
      const person = await a.person("viewer");
      const { email, password } = person;
      const disabled = await stage.accept(a, await a.invite("viewer"), password);
      const locked = await stage.accept(a, await a.invite("viewer"), password);
      await stage.accept(other, await other.invite("viewer", email), password);
      return {
        twin: signInAsk(person),
        async attack() {
          await stage.must({ method: "POST", path: `/v1/users/${disabled.user}/disable`, session: a.owner.session });
          await stage.must({ method: "POST", path: `/v1/tenants/${other.tenant}/suspend`, server: "socket" });
          await guessWrong(stage, locked, WRONG_MAX);
          return [
            await stage.send(signInAsk(person, { email: `${stage.name("nobody")}@example.com` })),
            await stage.send(signInAsk(person, { password: "not-the-password-at-all" })),
            await stage.send(signInAsk(disabled)),
            await stage.send(signInAsk(locked)),
            await stage.send(signInAsk(person, { tenant: other.tenant })),
            await stage.send(signInAsk(person, { tenant: stage.name("none") })),
          ];
        },
        holds(answers) {
          const forms = new Set(answers.map((answer) => fingerprint(answer) + fieldNames(answer)));
          return forms.size === 1 ? undefined : `there are ${forms.size} different answers`;
        },
      };
    },
  },
  {
    id: "lockout-by-case",
    title: "Each guess spells the address in another way, for a counter of its own",
    flaws: [14],
    layer: 3,
    expected: FAILED,
    differs: "one wrong guess fewer",
    target: "api",
    async scene(stage) {
      const [one, other] = await twoPeople(stage);
      const story = async (person: Person, guesses: number): Promise<Answer> => {
        const { email } = person;
        const forms = [email.toUpperCase(), ` ${email}`, `${email.slice(0, 1).toUpperCase()}${email.slice(1)}`];
        for (let guess = 0; guess < guesses; guess += 1) {
          await stage.prepare(
            signInAsk(person, { email: forms[guess % 3] ?? email, password: `wrong-guess-${guess}` }),
          );
        }
        return await stage.send(signInAsk(person));
      };
      return {
        twin: async () => await story(one, WRONG_MAX - 1),
        attack: async () => await story(other, WRONG_MAX),
      };
    },
  },
  {
    id: "lockout-by-address",
    title: "Each guess comes from another address, for a counter of its own",
    flaws: [14, 16],
    layer: 3,
    expected: FAILED,
    differs: "one wrong guess fewer",
    target: "api",
    async scene(stage) {
      const [one, other] = await twoPeople(stage);
      const story = async (person: Person, guesses: number): Promise<Answer> => {
        await guessWrong(stage, person, guesses);
        return await stage.send(signInAsk(person));
      };
      return {
        twin: async () => await story(one, WRONG_MAX - 1),
        attack: async () => await story(other, WRONG_MAX),
      };
    },
  },
  {
    id: "parallel-guesses",
    title: "Many guesses at once, so that each is checked before any is counted",
    flaws: [15],
    layer: 3,
    expected: FAILED,
    differs: "four guesses at once instead of sixteen",
    target: "api",
    async scene(stage) {
      const [one, other] = await twoPeople(stage);
      const story = async (person: Person, guesses: number): Promise<Answer> => {
        const all = Array.from({ length: guesses }, async (_, guess) => {
          await stage.prepare(signInAsk(person, { password: `wrong-guess-${guess}` }));
        });
        await Promise.all(all);
        return await stage.send(signInAsk(person));
      };
      return { twin: async () => await story(one, WRONG_MAX - 1), attack: async () => await story(other, 16) };
    },
  },
  {
    id: "counter-cleared-by-success",
    title: "A success in between clears the count of failures",
    flaws: [16],
    layer: 3,
    expected: FAILED,
    differs: "one wrong guess fewer",
    target: "api",
    async scene(stage) {
      const [one, other] = await twoPeople(stage);
      const story = async (person: Person, later: number): Promise<Answer> => {
        await guessWrong(stage, person, 3);
        await stage.must(signInAsk(person));
        await guessWrong(stage, person, later);
        return await stage.send(signInAsk(person));
      };
      return { twin: async () => await story(one, 1), attack: async () => await story(other, 2) };
    },
  },
  {
    id: "password-spray",
    title: "One address tries one password on many accounts",
    flaws: [16],
    layer: 1,
    expected: RATE_LIMITED,
    differs: "an address that did not spray",
    target: "api",
    async scene(stage) {
      const person = await stage.a.person("viewer");
      return {
        twin: async () => await stage.send(signInAsk(person)),
        async attack() {
          const from = stage.visitor();
          await spray(stage, from, {});
          return await stage.send({ ...signInAsk(person), from });
        },
      };
    },
  },
  {
    id: "forged-forwarded-for",
    title: "A sprayer writes another X-Forwarded-For each time",
    flaws: [32],
    layer: 1,
    expected: RATE_LIMITED,
    differs: "an address that did not spray",
    target: "api",
    async scene(stage) {
      const person = await stage.a.person("viewer");
      const forged = (turn: number) => ({
        "x-forwarded-for": `203.0.113.${turn}`,
        "x-real-ip": `203.0.113.${turn}`,
        "forwarded": `for=203.0.113.${turn}`,
        "client-ip": `203.0.113.${turn}`,
      });
      return {
        twin: async () => await stage.send({ ...signInAsk(person), headers: forged(200) }),
        async attack() {
          const from = stage.visitor();
          await spray(stage, from, forged);
          return await stage.send({ ...signInAsk(person), headers: forged(200), from });
        },
      };
    },
  },
  {
    id: "unknown-accounts-lock-too",
    title: "Endless guesses on an account that does not exist tell that it does not exist",
    flaws: [13],
    layer: 3,
    expected: FAILED,
    differs: "an account that exists",
    target: "api",
    async scene(stage) {
      const person = await stage.a.person("viewer");
      const email = `${stage.name("nobody")}@example.com`;
      return {
        twin: signInAsk(person),
        async attack() {
          const answers: Answer[] = [];
          for (let guess = 0; guess < WRONG_MAX + 2; guess += 1) {
            answers.push(await stage.send(signInAsk(person, { email })));
          }
          return answers;
        },
        holds(answers) {
          const forms = new Set(answers.map((answer) => fingerprint(answer)));
          return forms.size === 1 ? undefined : "the answer changes when the account would be locked";
        },
      };
    },
  },
];

/** Two people with one password, so that their requests differ in the address alone. */
async function twoPeople(stage: Stage): Promise<readonly [Person, Person]> {
  const { a } = stage;
  const one = await a.person("viewer");
  return [one, await stage.accept(a, await a.invite("viewer"), one.password)];
}

async function guessWrong(stage: Stage, person: Person, times: number): Promise<void> {
  for (let guess = 0; guess < times; guess += 1) {
    await stage.prepare(signInAsk(person, { password: `wrong-guess-${guess}` }));
  }
}

/** Uses up what one address may try at once. */
async function spray(
  stage: Stage,
  from: string,
  headers: Readonly<Record<string, string>> | ((turn: number) => Readonly<Record<string, string>>),
): Promise<void> {
  const { tenant } = stage.b;
  for (let turn = 0; turn < BURST + 5; turn += 1) {
    // An ill-formed address costs the attacker an attempt and us no hash.
    const body = { tenant, email: "nobody", password: "Spring-2026-again" };
    const fields = typeof headers === "function" ? headers(turn) : headers;
    await stage.prepare({ method: "POST", path: "/v1/sign-in", body, headers: fields, from });
  }
}

function fieldNames(answer: Answer): string {
  const varying = new Set(["date", "x-request-id", "ratelimit"]);
  const fixed = Object.entries(answer.headers).filter(([name]) => !varying.has(name));
  return JSON.stringify(fixed.sort(([a], [b]) => (a < b ? -1 : 1)));
}
