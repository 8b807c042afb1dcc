import type { Client } from "pg";
import { expect } from "vitest";
import type { TestBank } from "./population.ts";
import type { Intent } from "./transfers.ts";

interface TransferRow {
  readonly id: string;
  readonly from: string;
  readonly to: string;
  readonly amount: string;
}

/** What the database holds of some banks, all of one moment. */
interface Found {
  readonly transfers: readonly TransferRow[];
  readonly outcomes: ReadonlyMap<string, string>;
  readonly unfinished: number;
  readonly audited: readonly string[];
  readonly balances: ReadonlyMap<string, bigint>;
  readonly sums: ReadonlyMap<string, bigint>;
}

const TRANSFERS = `
  select transfer_id::text as id, from_account::text as from, to_account::text as to, amount::text as amount
  from bank.transfer where tenant_id = any($1)`;
const OUTCOMES = "select key, status, body from ringwall.idempotency where tenant_id = any($1)";
// Chained already, or waiting for it: one statement sees both sides of the move in one moment.
const AUDITED = `
  select jsonb_path_query_first(leaf::jsonb, '$.targets[*] ? (@.type == "transfer").id') #>> '{}' as id
  from (select tenant_id, leaf from ringwall.audit_entry
        union all select tenant_id, leaf from ringwall.audit_outbox) as record
  where tenant_id = any($1) and leaf::jsonb ->> 'action' = 'transfer.executed'`;
const BALANCES =
  "select tenant_id, account_id::text as id, balance::text as balance from bank.account where tenant_id = any($1)";

/**
 * Holds the database against what the clients were told: no money made or lost, each key done once, each act recorded
 * once, nothing half done. Everything that was asked for must have an outcome by now.
 */
export async function checkBooks(owner: Client, banks: readonly TestBank[], intents: readonly Intent[]): Promise<void> {
  const found = await read(
    owner,
    banks.map(({ tenant }) => tenant),
  );
  for (const { opening, tenant } of banks) expect(found.sums.get(tenant), `the money of ${tenant}`).toBe(opening);
  expect(found.unfinished, "claims without an outcome").toBe(0);
  const told = new Map(intents.map(({ answer, key }) => [key, answer]));
  expect(sorted(found.outcomes), "each key with the outcome that was told").toEqual(sorted(told));
  const ids = intents.map(idTold).toSorted();
  expect(new Set(ids).size, "a transfer for each key").toBe(ids.length);
  expect(found.transfers.map(({ id }) => id).toSorted(), "the transfers that were told, once each").toEqual(ids);
  expect([...found.audited].toSorted(), "one audit record for each transfer").toEqual(ids);
  expect(sorted(found.balances), "each balance").toEqual(sorted(expectedBalances(banks, intents)));
}

async function read(owner: Client, tenants: readonly string[]): Promise<Found> {
  await owner.query("begin isolation level repeatable read read only");
  const values = [tenants];
  const transfers = (await owner.query<TransferRow>(TRANSFERS, values)).rows;
  const outcomes = (await owner.query<{ key: string; status: number | null; body: string }>(OUTCOMES, values)).rows;
  const audited = (await owner.query<{ id: string }>(AUDITED, values)).rows.map(({ id }) => id);
  const accounts = (await owner.query<{ tenant_id: string; id: string; balance: string }>(BALANCES, values)).rows;
  await owner.query("commit");
  const sums = new Map<string, bigint>();
  for (const { balance, tenant_id: tenant } of accounts) sums.set(tenant, (sums.get(tenant) ?? 0n) + BigInt(balance));
  return {
    transfers,
    outcomes: new Map(outcomes.map(({ body, key }) => [key, body])),
    unfinished: outcomes.filter(({ status }) => status !== 201).length,
    audited,
    balances: new Map(accounts.map(({ balance, id }) => [id, BigInt(balance)])),
    sums,
  };
}

/** What each account must hold by what its owner and everybody else were told. */
function expectedBalances(banks: readonly TestBank[], intents: readonly Intent[]): ReadonlyMap<string, bigint> {
  const balances = new Map<string, bigint>();
  for (const { opening, people } of banks) {
    for (const { account } of people) balances.set(account, opening / BigInt(people.length));
  }
  const add = (account: string, amount: bigint): void =>
    void balances.set(account, (balances.get(account) ?? 0n) + amount);
  for (const { amount, from, to } of intents) {
    add(from, -BigInt(amount));
    add(to, BigInt(amount));
  }
  return balances;
}

function idTold({ answer, key }: Intent): string {
  const told: unknown = answer === undefined ? undefined : JSON.parse(answer);
  if (typeof told === "object" && told !== null && "id" in told && typeof told.id === "string") return told.id;
  throw new Error(`key ${key} has no outcome`);
}

function sorted<T>(map: ReadonlyMap<string, T>): readonly (readonly [string, T])[] {
  return [...map].toSorted(([left], [right]) => (left < right ? -1 : 1));
}
