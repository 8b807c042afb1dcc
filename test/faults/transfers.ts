import { randomUUID } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import type { Chance } from "./chance.ts";
import type { HttpClient, Reply } from "./http.ts";
import type { Person, TestBank } from "./population.ts";

/** The bank's limit for a customer is 60 transfers and 5,000,000 minor units an hour: 55 of at most 90,000 fit. */
export const TRANSFERS_EACH_MAX = 55;
const AMOUNT_MAX = 90_000;
/** The payees of most transfers, so that rows are fought over. */
const POPULAR = 4;
/** One transfer in so many is sent twice at the same time, as by an impatient finger. */
const DOUBLE_ONE_IN = 5;
const RETRY_MS = 25;
const OUTCOME_MS = 90_000;

/** One wish to move money, under one idempotency key, and what was answered. */
export interface Intent {
  readonly key: string;
  readonly payer: Person;
  readonly from: string;
  readonly to: string;
  readonly amount: number;
  readonly twice: boolean;
  /** The body of the 201, once there was one. */
  answer: string | undefined;
}

/** Everything that was asked for, and what became of it. */
export class Ledger {
  readonly intents: Intent[] = [];
  /** Answers on the way to an outcome: `503 database.unavailable`, `ECONNRESET`. How often each came. */
  readonly setbacks = new Map<string, number>();
  readonly #used = new Map<Person, number>();

  /** The next transfer somebody wants, of a person who may still make one. */
  wish(banks: readonly TestBank[], chance: Chance): Intent {
    const bank = chance.pick(banks);
    const able = bank.people.filter((person) => (this.#used.get(person) ?? 0) < TRANSFERS_EACH_MAX);
    const payer = chance.pick(able);
    this.#used.set(payer, (this.#used.get(payer) ?? 0) + 1);
    const payees = bank.people.filter((person) => person !== payer);
    const to = chance.pick(chance.below(3) > 0 ? payees.slice(0, POPULAR) : payees);
    const intent: Intent = {
      key: randomUUID(),
      payer,
      from: payer.account,
      to: to.account,
      amount: 1 + chance.below(AMOUNT_MAX),
      twice: chance.below(DOUBLE_ONE_IN) === 0,
      answer: undefined,
    };
    this.intents.push(intent);
    return intent;
  }

  setback(what: string): void {
    this.setbacks.set(what, (this.setbacks.get(what) ?? 0) + 1);
  }
}

/** Sends a transfer under its key until it has an outcome, whatever gets lost on the way. */
export async function settle(bank: HttpClient, ledger: Ledger, intent: Intent): Promise<void> {
  const answers = await Promise.all(
    Array.from({ length: intent.twice ? 2 : 1 }, () => untilDone(bank, ledger, intent)),
  );
  for (const answer of answers) keep(intent, answer);
}

/** Asks again for an outcome that is known. @throws Error when it differs by a byte. */
export async function repeat(bank: HttpClient, ledger: Ledger, intent: Intent): Promise<void> {
  if (intent.answer === undefined) throw new Error("only what has an outcome is repeated");
  keep(intent, await untilDone(bank, ledger, intent));
}

function keep(intent: Intent, answer: string): void {
  intent.answer ??= answer;
  if (intent.answer === answer) return;
  throw new Error(`key ${intent.key} has two outcomes: ${intent.answer} and ${answer}`);
}

async function untilDone(bank: HttpClient, ledger: Ledger, { amount, from, key, payer, to }: Intent): Promise<string> {
  const call = { method: "POST", path: "/api/transfers", token: payer.token, key, body: { from, to, amount } } as const;
  const startedMs = performance.now();
  while (performance.now() - startedMs < OUTCOME_MS) {
    const reply = await bank.send(call).catch((error: unknown) => lost(error));
    if (typeof reply === "string") ledger.setback(reply);
    else if (reply.status === 201) return reply.text;
    else ledger.setback(passing(reply));
    await delay(RETRY_MS);
  }
  throw new Error(`key ${key} has no outcome after ${OUTCOME_MS} ms`);
}

/** A connection that was refused or lost. @throws Error for anything else: an answer that never comes is a hang. */
function lost(error: unknown): string {
  if (error instanceof Error && "code" in error) return String(error.code);
  throw error;
}

/** A refusal that passes. @throws Error for any other: nothing but a 503 with its code may come of a fault. */
function passing({ code, status, text }: Reply): string {
  if (status === 503 && code !== undefined) return `503 ${code}`;
  throw new Error(`a fault must not become ${status}: ${text}`);
}
