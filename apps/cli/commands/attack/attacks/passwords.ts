import { randomToken } from "ringwall/core";
import type { Attack } from "../attack.ts";
import { type Answer, itemsOf } from "../http.ts";
import { signInAsk } from "../people.ts";
import type { Stage } from "../stage.ts";

const FAILED = { status: 401, code: "identity.sign_in_failed" } as const;
const ACCEPTED = { status: 200, code: "-" } as const;
const MALFORMED = { status: 400, code: "request.malformed" } as const;
const UNACCEPTABLE = { status: 400, code: "identity.password_unacceptable" } as const;

/** The beginnings of strong passwords that a list of forbidden texts would refuse. */
const STRONG = [
  "${jndi:ldap}-",
  "{{7*7}}{%-",
  "x'; DROP TABLE users; -- ",
  "<script>alert(1)</script>",
  "../../etc/passwd?",
  "' OR '1'='1' /* ",
];

/** Passwords that are taken for others, and lawful passwords and names that are refused. */
export const passwordAttacks: readonly Attack[] = [
  {
    id: "password-cut",
    title: "Of a long password the end is changed, which bcrypt does not see",
    flaws: [21],
    layer: 3,
    expected: FAILED,
    differs: "the characters after the 72nd byte",
    target: "api",
    async scene(stage) {
      const password = stage.secret(`long-${randomToken(57)}`);
      const person = await stage.accept(stage.a, await stage.a.invite("viewer"), password);
      const changed = `${password.slice(0, 72)}${"x".repeat(password.length - 72)}`;
      return { twin: signInAsk(person), attack: signInAsk(person, { password: changed }) };
    },
  },
  {
    id: "password-trimmed",
    title: "Spaces around a password are cut off, so that different passwords open one account",
    flaws: [21],
    layer: 3,
    expected: FAILED,
    differs: "the spaces",
    target: "api",
    async scene(stage) {
      const password = stage.secret(` ${randomToken(18)} `);
      const person = await stage.accept(stage.a, await stage.a.invite("viewer"), password);
      const forms = [password.trim(), password.trimStart(), password.trimEnd(), ` ${password}`, `${password}\t`];
      return {
        twin: signInAsk(person),
        attack: async () => {
          const answers: Answer[] = [];
          // Four at most: the fifth would meet the lock and say nothing of spaces.
          for (const form of forms.slice(0, 4)) {
            answers.push(await stage.send(signInAsk(person, { password: form })));
          }
          return answers;
        },
        async holds() {
          const again = await stage.send(signInAsk(person));
          return again.status === 200 ? undefined : "the password itself is not taken any more";
        },
      };
    },
  },
  {
    id: "password-with-nul",
    title: "What follows a NUL in a password is not looked at",
    flaws: [21, 53],
    layer: 1,
    expected: MALFORMED,
    differs: "the NUL and what follows",
    target: "api",
    async scene(stage) {
      const person = await stage.a.person("viewer");
      const attack = signInAsk(person, { password: `${person.password}\0anything` });
      return { twin: signInAsk(person), attack };
    },
  },
  {
    id: "strong-passwords-refused",
    title: "Passwords with ${, {{ or '; -- are taken for attacks and refused",
    flaws: [23, 47],
    layer: 3,
    expected: ACCEPTED,
    differs: "the password",
    target: "api",
    async scene(stage) {
      const tail = randomToken(9);
      const passwords = STRONG.map((words) => words + tail);
      return await Promise.resolve({
        twin: async () => await joinAndSignIn(stage, `plain words ${tail}`),
        attack: async () => await Promise.all(passwords.map((password) => joinAndSignIn(stage, password))),
      });
    },
  },
  {
    id: "passphrases-refused",
    title: "Long passphrases are refused because they lack a digit, a capital or ASCII",
    flaws: [22],
    layer: 3,
    expected: ACCEPTED,
    differs: "the password",
    target: "api",
    async scene(stage) {
      const passwords = [
        "seven quiet herons over the ford",
        "зелёный фонарь над тихой водой",
        "静かな川の上に青い灯がともる夜だった",
      ];
      return await Promise.resolve({
        twin: async () => await joinAndSignIn(stage, "Seven-quiet-herons-0ver-the-ford"),
        attack: async () => await Promise.all(passwords.map((password) => joinAndSignIn(stage, password))),
      });
    },
  },
  {
    id: "guessable-passwords",
    title: "Passwords that fit every composition rule and are guessed first are taken",
    flaws: [22, 36],
    layer: 3,
    expected: UNACCEPTABLE,
    differs: "the password",
    target: "api",
    async scene(stage) {
      const { token } = await stage.a.invite("viewer");
      const other = await stage.a.invite("viewer");
      const give = async (link: string, password: string): Promise<Answer> => {
        const body = { token: link, name: "Alex Example", password };
        return await stage.send({ method: "POST", path: "/v1/invitations/accept", body });
      };
      return {
        twin: async () => await give(other.token, stage.secret(randomToken(18))),
        attack: async () => [
          await give(token, "Password1!Password1!"),
          await give(token, "Aa1!Aa1!Aa1!Aa1!"),
          await give(token, "Aa1!"),
        ],
      };
    },
  },
  {
    id: "real-names-refused",
    title: "People whose names hold an apostrophe, an accent or no Latin letter cannot join",
    flaws: [54, 47],
    layer: 3,
    expected: ACCEPTED,
    differs: "the name",
    target: "api",
    async scene(stage) {
      const password = stage.secret(randomToken(18));
      const names = [
        "O'Brien",
        "José Ñandú",
        "李小龍",
        "محمد",
        "Null",
        "Anne-Marie d'Arc (née Roe)",
        "X; DROP TABLE--",
      ];
      return await Promise.resolve({
        twin: async () => await joinAs(stage, "Alex Example", password),
        attack: async () => await Promise.all(names.map((name) => joinAs(stage, name, password))),
        async holds() {
          const list = await stage.must({ method: "GET", path: "/v1/users", session: stage.a.owner.session });
          const seen = new Set(itemsOf(list).map((item) => item["name"]));
          const lost = names.filter((name) => !seen.has(name));
          return lost.length === 0 ? undefined : `given back changed: ${lost.join(", ")}`;
        },
      });
    },
  },
];

async function joinAs(stage: Stage, name: string, password: string): Promise<Answer> {
  const { token } = await stage.a.invite("viewer");
  return await stage.send({ method: "POST", path: "/v1/invitations/accept", body: { token, name, password } });
}

/** Joins with a password and signs in with it: what is refused at the second door is as lost as at the first. */
async function joinAndSignIn(stage: Stage, password: string): Promise<Answer> {
  const { token, email } = await stage.a.invite("viewer");
  stage.secret(password);
  const body = { token, name: "Alex Example", password };
  const joined = await stage.send({ method: "POST", path: "/v1/invitations/accept", body });
  if (joined.status !== 200) return joined;
  const { tenant } = stage.a;
  return await stage.send({ method: "POST", path: "/v1/sign-in", body: { tenant, email, password } });
}
