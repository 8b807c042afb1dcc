import { randomBytes } from "ringwall/core";
import { type Answer, type Ask, member, textOf } from "./http.ts";
import type { Bank, Person, Stage } from "./stage.ts";

/** A customer of a throwaway bank, with one account. */
export interface Holder {
  readonly person: Person;
  readonly customer: string;
  readonly account: string;
}

/** Opens an account for somebody new, as the bank's staff does. `balance` in minor units. */
export async function openHolder(stage: Stage, bank: Bank, balance = 1_000): Promise<Holder> {
  const person = await bank.person("editor");
  const staff = { method: "POST", server: "bank", session: bank.owner.session } as const;
  const nationalId = stage.secret(`NI ${randomBytes(8).toString("hex")}`);
  const record = { user: person.user, name: "Alex Example", national_id: nationalId };
  const customer = textOf(await stage.must({ ...staff, path: "/api/customers", body: record }), "id");
  const body = { customer, currency: "EUR", opening_balance: balance };
  const opened = await stage.must({ ...staff, path: "/api/accounts", body });
  stage.secret(textOf(opened, "number"));
  return { person, customer, account: textOf(opened, "id") };
}

/** A request to read something at the bank. */
export function read(path: string, session: string): Ask {
  return { method: "GET", server: "bank", path, session };
}

/** What is in an account, as its owner sees it. */
export async function balanceOf(stage: Stage, { account, person }: Holder): Promise<number> {
  return Number(member(await stage.must(read(`/api/accounts/${account}`, person.session)), "balance"));
}

/** A transfer with a key of its own. */
export function transferAsk(payer: Holder, to: string, amount: unknown): Ask {
  const body = { from: payer.account, to, amount };
  return { method: "POST", server: "bank", path: "/api/transfers", session: payer.person.session, body, fresh: true };
}

/** A transfer under a chosen key. */
export function keyedTransfer(payer: Holder, to: string, amount: number, key: string): Ask {
  const { fresh: _fresh, ...ask } = transferAsk(payer, to, amount);
  return { ...ask, headers: { "idempotency-key": key } };
}

/** Leaves out the answer that is lawful, when it is exactly one: of many who race one may win. */
export function losers(answers: readonly Answer[]): readonly Answer[] {
  const won = answers.filter((answer) => answer.status < 300);
  return won.length === 1 ? answers.filter((answer) => answer.status >= 300) : answers;
}
