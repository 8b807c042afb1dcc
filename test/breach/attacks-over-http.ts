import { type Attack, judge, REACHED, stopped } from "./attack.ts";
import { as, claim, FOREIGN_SITE, type Got, send } from "./http.ts";
import { OPENING, PASSWORD } from "./people.ts";
import type { BreachStage } from "./stage.ts";

let keys = 0;
const key = (): Record<string, string> => ({ "idempotency-key": `breach-${(keys += 1)}` });
const NOBODY = "01890000-0000-7000-8000-00000000beef";
const SIGN_IN_TRIES = 40;
const FLOOD = 600;

async function transfer(
  stage: BreachStage,
  body: unknown,
  headers: Record<string, string>,
  from?: string,
): Promise<Got> {
  return await send(stage, "/api/transfers", { body, headers: { ...key(), ...headers }, ...(from ? { from } : {}) });
}

/** Attacks from outside, each over one or many requests. */
export const attacksOverHttp: readonly Attack[] = [
  {
    id: "cross-site-transfer",
    aim: "another site moves a visitor's money with the visitor's cookie",
    stops: [[1, "403 request.origin_refused"]],
    run: async (stage) => {
      const { customer, other } = stage.north;
      const body = { from: customer.account, to: other.account, amount: 1 };
      return judge(await transfer(stage, body, { ...as(stage, customer, "editor"), ...FOREIGN_SITE }));
    },
  },
  {
    id: "cross-site-form",
    aim: "another site's form, which needs no preflight, moves a visitor's money",
    stops: [
      [1, "403 request.origin_refused"],
      [3, "415 request.media_type"],
      [4, "415 request.media_type"],
    ],
    run: async (stage) => {
      const { customer, other } = stage.north;
      const body = { from: customer.account, to: other.account, amount: 1 };
      const form = { ...FOREIGN_SITE, "content-type": "text/plain" };
      return judge(await transfer(stage, body, { ...as(stage, customer, "editor"), ...form }));
    },
  },
  {
    id: "rebound-name",
    aim: "a name that was pointed at this machine is answered for",
    stops: [[1, "421 request.host_unknown"]],
    run: async (stage) => judge(await send(stage, "/healthz", { headers: { host: "evil.example" } })),
  },
  {
    id: "flood",
    aim: "one address takes as much of the service as it likes",
    stops: [[1, "429 request.rate_limited"]],
    run: async (stage) => {
      const answers = await Promise.all(
        Array.from({ length: FLOOD }, () => send(stage, "/healthz", { from: "127.0.9.1" })),
      );
      return answers.map(judge).find(({ reached }) => !reached) ?? REACHED;
    },
  },
  {
    id: "member-named-twice",
    aim: "two readers of one body see two amounts",
    stops: [[1, "400 request.malformed"]],
    run: async (stage) => {
      const { customer, other } = stage.north;
      const body = `{"from":"${customer.account}","to":"${other.account}","amount":1,"amount":2}`;
      return judge(await transfer(stage, body, as(stage, customer, "editor")));
    },
  },
  {
    id: "oversized-body",
    aim: "a body of two megabytes is read and kept",
    stops: [
      [1, "413 request.too_large"],
      [3, "400 request.invalid"],
      [4, "400 request.invalid"],
    ],
    run: async (stage) => {
      const body = { title: "Large", body: "x".repeat(2_000_000) };
      return judge(await send(stage, "/api/documents", { body, headers: as(stage, stage.north.customer, "editor") }));
    },
  },
  {
    id: "guessing",
    aim: "the right password is found among forty, from one address",
    stops: [
      [1, "429 request.rate_limited"],
      [3, "401 identity.sign_in_failed"],
    ],
    run: async (stage) => {
      const { email, tenant } = stage.south.viewer;
      let last: Got | undefined;
      for (let attempt = 1; attempt <= SIGN_IN_TRIES; attempt += 1) {
        const password = attempt === SIGN_IN_TRIES ? PASSWORD : `wrong tide knot ${attempt}`;
        last = await send(stage, "/api/sign-in", { body: { tenant, email, password }, from: "127.0.9.2" });
      }
      return last === undefined ? stopped("nothing was tried") : judge(last);
    },
  },
  {
    id: "managed-device",
    aim: "somebody signed in on any device reaches what is for managed ones",
    stops: [[2, "403 access.denied"]],
    run: async (stage) =>
      judge(await send(stage, "/api/vault", { headers: as(stage, stage.north.customer, "editor") })),
  },
  {
    id: "claimed-owner-at-the-vault",
    aim: "a stranger who says to be an owner reaches what is for managed devices",
    stops: [
      [3, "401 identity.sign_in_required"],
      [2, "403 access.denied"],
    ],
    run: async (stage) => {
      const authorization = `Bearer ${claim("owner", "northbank", NOBODY)}`;
      return judge(await send(stage, "/api/vault", { headers: { authorization } }));
    },
  },
  {
    id: "claimed-owner",
    aim: "a stranger who says to be an owner reads that bank's account",
    stops: [[3, "401 identity.sign_in_required"]],
    run: async (stage) => {
      const authorization = `Bearer ${claim("owner", "northbank", NOBODY)}`;
      return judge(await send(stage, `/api/accounts/${stage.north.customer.account}`, { headers: { authorization } }));
    },
  },
  {
    id: "viewer-pays",
    aim: "somebody who may only look moves money",
    stops: [[3, "403 access.denied"]],
    run: async (stage) => {
      const { other, viewer } = stage.north;
      const body = { from: viewer.account, to: other.account, amount: 1 };
      // Where roles are whatever one says, a viewer says to be an editor.
      return judge(await transfer(stage, body, as(stage, viewer, "editor")));
    },
  },
  {
    id: "other-banks-account",
    aim: "the owner of one bank reads an account of the other by its id",
    stops: [
      [4, "404 resource.not_found"],
      [3, "404 resource.not_found"],
    ],
    run: async (stage) => {
      const headers = as(stage, stage.north.owner, "owner");
      return judge(await send(stage, `/api/accounts/${stage.south.customer.account}`, { headers }));
    },
  },
  {
    id: "other-banks-list",
    aim: "the owner of one bank finds the other's accounts in a list",
    stops: [[4, "only the own bank's"]],
    run: async (stage) => {
      const headers = as(stage, stage.north.owner, "owner");
      const { body } = await send(stage, "/api/accounts", { headers });
      const shown = JSON.stringify(body);
      if (!shown.includes(stage.north.customer.account)) return stopped("not even the own bank's");
      return shown.includes(stage.south.customer.account) ? REACHED : stopped("only the own bank's");
    },
  },
  {
    id: "other-banks-money",
    aim: "the owner of one bank moves money out of an account of the other",
    stops: [
      [4, "404 resource.not_found"],
      [3, "404 resource.not_found"],
    ],
    run: async (stage) => {
      const body = { from: stage.south.customer.account, to: stage.north.owner.account, amount: 1 };
      return judge(await transfer(stage, body, as(stage, stage.north.owner, "owner")));
    },
  },
  {
    id: "other-banks-document",
    aim: "the owner of one bank deletes a document of the other",
    stops: [
      [4, "404 resource.not_found"],
      [3, "404 resource.not_found"],
    ],
    run: async (stage) => {
      const headers = as(stage, stage.north.owner, "owner");
      const path = `/api/documents/${stage.south.customer.document}`;
      return judge(await send(stage, path, { method: "DELETE", headers }));
    },
  },
  {
    id: "empty-transfer",
    aim: "a transfer of nothing fills the statement of somebody else",
    stops: [
      [3, "400 request.invalid"],
      [4, "400 request.invalid"],
    ],
    run: async (stage) => {
      const { customer, other } = stage.north;
      const body = { from: customer.account, to: other.account, amount: 0 };
      return judge(await transfer(stage, body, as(stage, customer, "editor")));
    },
  },
  {
    id: "more-than-there-is",
    aim: "fifty transfers at once spend the same balance more than once",
    stops: [
      [4, "the sum holds"],
      [3, "the sum holds"],
    ],
    run: async (stage) => {
      const { customer, other } = stage.south;
      const body = { from: other.account, to: customer.account, amount: OPENING / 10 };
      const headers = as(stage, other, "editor");
      const answers = await Promise.all(Array.from({ length: 50 }, () => transfer(stage, body, headers, "127.0.9.3")));
      const done = answers.filter(({ status }) => status === 201).length;
      return done > 10 ? REACHED : stopped("the sum holds");
    },
  },
  {
    id: "statement-in-an-id",
    aim: "an id that is a piece of SQL reads more than it names",
    stops: [
      [3, "400 request.invalid"],
      [4, "400 request.invalid"],
    ],
    run: async (stage) => {
      const id = encodeURIComponent("x' or 'a'='a");
      return judge(await send(stage, `/api/accounts/${id}`, { headers: as(stage, stage.north.owner, "owner") }));
    },
  },
];
