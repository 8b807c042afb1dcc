import { randomToken } from "ringwall/core";
import type { Attack } from "../../attack.ts";
import { balanceOf, type Holder, keyedTransfer, losers, openHolder, transferAsk } from "../../holders.ts";
import { type Answer, member, portOf } from "../../http.ts";
import type { Stage } from "../../stage.ts";

const NOT_FOUND = { status: 404, code: "resource.not_found" } as const;
const INVALID = { status: 400, code: "request.invalid" } as const;
const INSUFFICIENT = { status: 409, code: "transfer.insufficient_funds" } as const;
/** Minor units above which a second factor is due, and transfers one customer makes in an hour. */
const STEP_UP_ABOVE = 100_000;
const TRANSFERS_MAX = 60;

/** Money that is not there, is somebody else's, or is moved twice. */
export const bankTransferAttacks: readonly Attack[] = [
  {
    id: "crooked-amounts",
    title: "A transfer of less than nothing, of a fraction, of a text, of more than there is money",
    flaws: [58],
    layer: 3,
    expected: INVALID,
    differs: "the amount",
    target: "bank",
    async scene(stage) {
      const [payer, payee] = await pair(stage);
      const move = async (amount: unknown): Promise<Answer> =>
        await stage.send(transferAsk(payer, payee.account, amount));
      const bad = [-1, -100_000, 0, 0.5, 99.999_999, "10", "1e2", 1e11 + 1, 2 ** 53, 1e300, null, [10], true, {}];
      return {
        twin: async () => await move(10),
        attack: async () => await Promise.all(bad.map((amount) => move(amount))),
        holds: async () => await unchanged(stage, [payer, 990], [payee, 1_010]),
      };
    },
  },
  {
    id: "racing-transfers",
    title: "Many transfers at once spend one balance many times",
    flaws: [57],
    layer: 4,
    expected: INSUFFICIENT,
    differs: "an amount that is there, once",
    target: "bank",
    async scene(stage) {
      const [payer, payee] = await pair(stage);
      const move = async (amount: number): Promise<Answer> =>
        await stage.send(transferAsk(payer, payee.account, amount));
      return {
        twin: async () => await move(300),
        attack: async () => losers(await Promise.all(Array.from({ length: 10 }, async () => await move(600)))),
        holds: async () => await unchanged(stage, [payer, 100], [payee, 1_900]),
      };
    },
  },
  {
    id: "opposing-transfers",
    title: "Transfers in both directions at once stand in each other's way until money is lost",
    flaws: [57],
    layer: 4,
    expected: { status: 201, code: "-" },
    differs: "the direction",
    differsIn: ["session", "body.from", "body.to"],
    target: "bank",
    async scene(stage) {
      const [one, other] = await pair(stage);
      const move = async (payer: Holder, payee: Holder): Promise<Answer> =>
        await stage.send(transferAsk(payer, payee.account, 7));
      return {
        twin: async () => await move(one, other),
        attack: async () =>
          await Promise.all(Array.from({ length: 12 }, (_, n) => (n % 2 === 0 ? move(one, other) : move(other, one)))),
        holds: async () => await unchanged(stage, [one, 993], [other, 1_007]),
      };
    },
  },
  {
    id: "overdraft",
    title: "A transfer of more than the account holds",
    flaws: [57],
    layer: 4,
    expected: INSUFFICIENT,
    differs: "the amount",
    target: "bank",
    async scene(stage) {
      const [payer, payee] = await pair(stage);
      return {
        twin: transferAsk(payer, payee.account, 500),
        attack: transferAsk(payer, payee.account, 501),
        holds: async () => await unchanged(stage, [payer, 500], [payee, 1_500]),
      };
    },
  },
  {
    id: "somebody-elses-money",
    title: "A customer pays from another customer's account, and from one of the other bank",
    flaws: [33, 43],
    layer: 3,
    expected: NOT_FOUND,
    differs: "whose account pays",
    target: "bank",
    async scene(stage) {
      const [payer, victim] = await pair(stage);
      const accomplice = await openHolder(stage, stage.a);
      const stranger = await openHolder(stage, stage.b);
      const pay = async (from: string, to: string): Promise<Answer> =>
        await stage.send({ ...transferAsk(payer, to, 10), body: { from, to, amount: 10 } });
      return {
        twin: async () => await pay(payer.account, accomplice.account),
        attack: async () => [
          await pay(victim.account, accomplice.account),
          await pay(stranger.account, accomplice.account),
        ],
        holds: async () => await unchanged(stage, [payer, 990], [victim, 1_000], [stranger, 1_000]),
      };
    },
  },
  {
    id: "transfer-to-the-rival",
    title: "A transfer leaves the bank for an account of the other bank",
    flaws: [33, 60],
    layer: 4,
    expected: NOT_FOUND,
    differs: "whose account is paid",
    target: "bank",
    async scene(stage) {
      const [payer, payee] = await pair(stage);
      const stranger = await openHolder(stage, stage.b);
      return {
        twin: transferAsk(payer, payee.account, 10),
        attack: transferAsk(payer, stranger.account, 10),
        holds: async () => await unchanged(stage, [payer, 990], [stranger, 1_000]),
      };
    },
  },
  {
    id: "key-with-another-body",
    title: "The key of a transfer that was made is used for another transfer",
    flaws: [57],
    layer: 3,
    expected: { status: 409, code: "idempotency.conflict" },
    differs: "the amount",
    target: "bank",
    async scene(stage) {
      const [payer, payee] = await pair(stage);
      const key = randomToken(18);
      await stage.must(keyedTransfer(payer, payee.account, 10, key));
      return {
        twin: keyedTransfer(payer, payee.account, 10, key),
        attack: keyedTransfer(payer, payee.account, 11, key),
        holds: async () => await unchanged(stage, [payer, 990], [payee, 1_010]),
      };
    },
  },
  {
    id: "key-used-at-once",
    title: "One transfer is sent many times at once under its key",
    flaws: [57],
    layer: 4,
    expected: { status: 201, code: "-" },
    differs: "sent once",
    target: "bank",
    async scene(stage) {
      const [payer, payee] = await pair(stage);
      const [first, second] = [randomToken(18), randomToken(18)];
      const move = async (key: string): Promise<Answer> =>
        await stage.send(keyedTransfer(payer, payee.account, 10, key));
      return {
        twin: async () => await move(first),
        attack: async () => await Promise.all(Array.from({ length: 8 }, async () => await move(second))),
        async holds(answers) {
          const ids = new Set(answers.map((answer) => member(answer, "id")));
          if (ids.size !== 1) return `one key made ${ids.size} transfers`;
          return await unchanged(stage, [payer, 980], [payee, 1_020]);
        },
      };
    },
  },
  {
    id: "key-of-somebody-else",
    title: "Somebody who saw a key asks with it for the outcome of another's transfer",
    flaws: [57, 60],
    layer: 3,
    expected: NOT_FOUND,
    differs: "who asks",
    target: "bank",
    async scene(stage) {
      const [payer, payee] = await pair(stage);
      const ask = keyedTransfer(payer, payee.account, 10, randomToken(18));
      return {
        twin: ask,
        attack: { ...ask, session: payee.person.session },
        holds: async () => await unchanged(stage, [payer, 990], [payee, 1_010]),
      };
    },
  },
  {
    id: "key-left-out",
    title: "A transfer without a key, which a client that tries again makes twice",
    flaws: [57],
    layer: 3,
    expected: { status: 400, code: "idempotency.required" },
    differs: "the field Idempotency-Key",
    target: "bank",
    async scene(stage) {
      const [payer, payee] = await pair(stage);
      const { headers, ...bare } = keyedTransfer(payer, payee.account, 10, randomToken(18));
      return {
        twin: { ...bare, headers: headers ?? {} },
        attack: bare,
        holds: async () => await unchanged(stage, [payer, 990], [payee, 1_010]),
      };
    },
  },
  {
    id: "large-transfer-without-factor",
    title: "A large transfer with a session that gave no second factor",
    flaws: [2, 3],
    layer: 3,
    expected: { status: 403, code: "access.step_up_required" },
    differs: "the amount, by one minor unit",
    target: "bank",
    async scene(stage) {
      const payer = await openHolder(stage, stage.a, 1_000_000);
      const payee = await openHolder(stage, stage.a);
      return {
        twin: transferAsk(payer, payee.account, STEP_UP_ABOVE),
        attack: transferAsk(payer, payee.account, STEP_UP_ABOVE + 1),
        holds: async () => await unchanged(stage, [payer, 1_000_000 - STEP_UP_ABOVE]),
      };
    },
  },
  {
    id: "too-many-transfers",
    title: "A stolen session empties an account by many small transfers",
    flaws: [],
    layer: 3,
    expected: { status: 429, code: "access.velocity_exceeded" },
    differs: "one transfer fewer",
    target: "bank",
    async scene(stage) {
      const [payer, payee] = await pair(stage);
      const move = async (): Promise<Answer> => await stage.send(transferAsk(payer, payee.account, 1));
      return {
        async twin() {
          for (let turn = 1; turn < TRANSFERS_MAX; turn += 1) await stage.must(transferAsk(payer, payee.account, 1));
          return await move();
        },
        attack: move,
        holds: async () => await unchanged(stage, [payer, 1_000 - TRANSFERS_MAX]),
      };
    },
  },
  {
    id: "transfer-with-more-members",
    title: "A transfer names its own currency, bank, owner or balance",
    flaws: [70],
    layer: 3,
    expected: INVALID,
    differs: "one member more",
    target: "bank",
    async scene(stage) {
      const [payer, payee] = await pair(stage);
      const ask = transferAsk(payer, payee.account, 10);
      const body = { from: payer.account, to: payee.account, amount: 10 };
      const extras = [{ currency: "JPY" }, { tenant_id: stage.b.tenant }, { balance: 1 }, { to: payer.account }];
      return {
        twin: ask,
        attack: async () =>
          await Promise.all(extras.map(async (extra) => await stage.send({ ...ask, body: { ...body, ...extra } }))),
        holds: async () => await unchanged(stage, [payer, 990], [payee, 1_010]),
      };
    },
  },
  {
    id: "transfer-from-another-site",
    title: "A page of another site makes a transfer with the cookie of somebody who is signed in",
    flaws: [36, 59],
    layer: 1,
    expected: { status: 403, code: "request.origin_refused" },
    differs: "the field Origin",
    target: "bank",
    async scene(stage) {
      const [payer, payee] = await pair(stage);
      const ask = (origin: string) => {
        const { session, ...bare } = transferAsk(payer, payee.account, 10);
        return { ...bare, headers: { cookie: `__Host-bank_session=${session ?? ""}`, origin } };
      };
      return {
        twin: ask(`http://localhost:${portOf(stage.place, "bank")}`),
        attack: ask(`http://localhost:${portOf(stage.place, "api")}`),
        holds: async () => await unchanged(stage, [payer, 990], [payee, 1_010]),
      };
    },
  },
];

/** Two customers of one bank, with 1,000 minor units each. */
async function pair(stage: Stage): Promise<readonly [Holder, Holder]> {
  return [await openHolder(stage, stage.a), await openHolder(stage, stage.a)];
}

/** Whether the balances are what the lawful transfers alone left. */
async function unchanged(
  stage: Stage,
  ...expected: readonly (readonly [Holder, number])[]
): Promise<string | undefined> {
  for (const [holder, balance] of expected) {
    const found = await balanceOf(stage, holder);
    if (found !== balance) return `an account holds ${found} instead of ${balance}`;
  }
  return undefined;
}
