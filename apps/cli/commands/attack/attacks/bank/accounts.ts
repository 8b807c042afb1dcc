import type { Attack } from "../../attack.ts";
import { openHolder, read } from "../../holders.ts";
import { type Answer, fingerprint, itemsOf } from "../../http.ts";

const NOT_FOUND = { status: 404, code: "resource.not_found" } as const;
const DENIED = { status: 403, code: "access.denied" } as const;
const INVALID = { status: 400, code: "request.invalid" } as const;
const NOBODY = "01890000-0000-7000-8000-000000000000";

/** Accounts and customers of the example bank: whose they are, and who may open them. */
export const bankAccountAttacks: readonly Attack[] = [
  {
    id: "other-banks-account",
    title: "The owner of a bank reads an account of the other bank, by id",
    flaws: [33, 41, 60],
    layer: 4,
    expected: NOT_FOUND,
    differs: "whose account it is",
    target: "bank",
    async scene(stage) {
      const { a, b } = stage;
      const [own, other] = [await openHolder(stage, a), await openHolder(stage, b)];
      const ask = (account: string) => read(`/api/accounts/${account}`, a.owner.session);
      return { twin: ask(own.account), attack: ask(other.account) };
    },
  },
  {
    id: "other-customers-account",
    title: "A customer reads the account of another customer of the same bank",
    flaws: [33, 43],
    layer: 3,
    expected: NOT_FOUND,
    differs: "whose account it is",
    target: "bank",
    async scene(stage) {
      const [own, other] = [await openHolder(stage, stage.a), await openHolder(stage, stage.a)];
      const ask = (account: string) => read(`/api/accounts/${account}`, own.person.session);
      return { twin: ask(own.account), attack: ask(other.account) };
    },
  },
  {
    id: "other-customers-statement",
    title: "A customer reads which transfers another customer made",
    flaws: [43, 64],
    layer: 3,
    expected: NOT_FOUND,
    differs: "whose account it is",
    target: "bank",
    async scene(stage) {
      const [own, other] = [await openHolder(stage, stage.a), await openHolder(stage, stage.a)];
      const ask = (account: string) => read(`/api/transfers?account=${account}`, own.person.session);
      return { twin: ask(own.account), attack: ask(other.account) };
    },
  },
  {
    id: "existence-oracle-accounts",
    title: "Another bank's account, another customer's and none at all are told apart",
    flaws: [60],
    layer: 3,
    expected: NOT_FOUND,
    differs: "whose account it is",
    target: "bank",
    async scene(stage) {
      const { a, b } = stage;
      const own = await openHolder(stage, a);
      const [colleague, stranger] = [await openHolder(stage, a), await openHolder(stage, b)];
      const look = async (account: string): Promise<Answer> =>
        await stage.send(read(`/api/accounts/${account}`, own.person.session));
      return {
        twin: async () => await look(own.account),
        attack: async () => [await look(colleague.account), await look(stranger.account), await look(NOBODY)],
        holds(answers) {
          const forms = new Set(answers.map((answer) => fingerprint(answer)));
          return forms.size === 1 ? undefined : `there are ${forms.size} different answers`;
        },
      };
    },
  },
  {
    id: "list-and-check-drift",
    title: "A list shows what a single look would refuse",
    flaws: [44, 64],
    layer: 3,
    expected: { status: 200, code: "-" },
    differs: "who asks",
    target: "bank",
    async scene(stage) {
      const { a } = stage;
      const bank = await stage.bank();
      const own = await openHolder(stage, bank);
      const others = [await openHolder(stage, bank), await openHolder(stage, a)];
      return {
        twin: read("/api/accounts", bank.owner.session),
        attack: read("/api/accounts", own.person.session),
        async holds([answer]) {
          const listed = answer === undefined ? [] : itemsOf(answer).map((item) => String(item["id"]));
          for (const { account } of [own, ...others]) {
            const look = await stage.send(read(`/api/accounts/${account}`, own.person.session));
            if (listed.includes(account) !== (look.status === 200)) return "list and look disagree on an account";
          }
          return listed.length === 1 ? undefined : `the list shows ${listed.length} accounts`;
        },
      };
    },
  },
  {
    id: "customer-opens-account",
    title: "A customer opens an account with a balance of their choice",
    flaws: [45],
    layer: 3,
    expected: DENIED,
    differs: "who asks",
    target: "bank",
    async scene(stage) {
      const own = await openHolder(stage, stage.a);
      const body = { customer: own.customer, currency: "EUR", opening_balance: 1_000_000 };
      const ask = (session: string) =>
        ({ method: "POST", server: "bank", path: "/api/accounts", session, body }) as const;
      return { twin: ask(stage.a.owner.session), attack: ask(own.person.session) };
    },
  },
  {
    id: "account-for-a-stranger",
    title: "Staff opens an account for a customer of the other bank",
    flaws: [33],
    layer: 4,
    expected: NOT_FOUND,
    differs: "whose customer it is",
    target: "bank",
    async scene(stage) {
      const { a, b } = stage;
      const [own, other] = [await openHolder(stage, a), await openHolder(stage, b)];
      const ask = (customer: string) => ({
        method: "POST",
        server: "bank" as const,
        path: "/api/accounts",
        session: a.owner.session,
        body: { customer, currency: "EUR", opening_balance: 0 },
      });
      return { twin: ask(own.customer), attack: ask(other.customer) };
    },
  },
  {
    id: "record-of-a-stranger",
    title: "Staff opens a customer record for a person of the other bank, and finds out that they exist",
    flaws: [33, 60],
    layer: 4,
    expected: NOT_FOUND,
    differs: "whose person it is",
    target: "bank",
    async scene(stage) {
      const { a, b } = stage;
      const [own, other] = [await a.person("editor"), await b.person("editor")];
      const ask = (user: string) => ({
        method: "POST",
        server: "bank" as const,
        path: "/api/customers",
        session: a.owner.session,
        body: { user, name: "Alex Example", national_id: "NI 12 34 56 78" },
      });
      return { twin: ask(own.user), attack: ask(other.user) };
    },
  },
  {
    id: "other-banks-customer",
    title: "Staff reads the national id of the other bank's customer",
    flaws: [33, 41],
    layer: 4,
    expected: NOT_FOUND,
    differs: "whose customer it is",
    target: "bank",
    async scene(stage) {
      const { a, b } = stage;
      const [own, other] = [await openHolder(stage, a), await openHolder(stage, b)];
      const ask = (customer: string) => read(`/api/customers/${customer}`, a.owner.session);
      return { twin: ask(own.customer), attack: ask(other.customer) };
    },
  },
  {
    id: "customer-reads-record",
    title: "A customer reads customer records, their own to begin with",
    flaws: [45],
    layer: 3,
    expected: DENIED,
    differs: "who asks",
    target: "bank",
    async scene(stage) {
      const own = await openHolder(stage, stage.a);
      const ask = (session: string) => read(`/api/customers/${own.customer}`, session);
      return { twin: ask(stage.a.owner.session), attack: ask(own.person.session) };
    },
  },
  {
    id: "opening-balance",
    title: "An account begins with less than nothing, a fraction, or a number beyond counting",
    flaws: [58],
    layer: 3,
    expected: INVALID,
    differs: "the balance",
    target: "bank",
    async scene(stage) {
      const own = await openHolder(stage, stage.a);
      const open = async (balance: unknown): Promise<Answer> =>
        await stage.send({
          method: "POST",
          server: "bank",
          path: "/api/accounts",
          session: stage.a.owner.session,
          body: { customer: own.customer, currency: "EUR", opening_balance: balance },
        });
      const bad = [-1, 0.1, "100", 1e12, 2 ** 53, null, [1], true];
      return {
        twin: async () => await open(100),
        attack: async () => await Promise.all(bad.map((balance) => open(balance))),
      };
    },
  },
  {
    id: "role-for-a-customer",
    title: "Staff invites a customer and adds a role, a bank or a permission to the body",
    flaws: [70],
    layer: 3,
    expected: INVALID,
    differs: "one member more",
    target: "bank",
    async scene(stage) {
      const { a, b } = stage;
      const email = `${stage.name("customer")}@example.com`;
      const invite = async (extra: object): Promise<Answer> =>
        await stage.send({
          method: "POST",
          server: "bank",
          path: "/api/users",
          session: a.owner.session,
          body: { email, ...extra },
        });
      const extras = [
        { role: "owner" },
        { tenant_id: b.tenant },
        { tenant: b.tenant },
        { permissions: ["admin:users"] },
      ];
      return await Promise.resolve({
        twin: async () => await invite({}),
        attack: async () => await Promise.all(extras.map((extra) => invite(extra))),
      });
    },
  },
  {
    id: "ids-in-other-spellings",
    title: "An id in another spelling, or with SQL behind it, finds the row past a cache or a check",
    flaws: [34],
    layer: 3,
    expected: INVALID,
    differs: "the spelling of the id",
    target: "bank",
    async scene(stage) {
      const own = await openHolder(stage, stage.a);
      const look = async (id: string): Promise<Answer> =>
        await stage.send(read(`/api/accounts/${encodeURIComponent(id)}`, own.person.session));
      const { account } = own;
      const bad = [
        account.toUpperCase(),
        `{${account}}`,
        account.replaceAll("-", ""),
        `${account} `,
        `${account}' or '1'='1`,
        "1",
        "s; drop table bank.account",
      ];
      return {
        twin: async () => await look(account),
        attack: async () => await Promise.all(bad.map((id) => look(id))),
      };
    },
  },
];
