import { Client } from "pg";
import { startServer } from "./child.ts";
import { peerTransferBody, people } from "./population.ts";
import { BANKS, IDLE_ACCOUNTS, OPENING_BALANCE, POOL_CONNECTIONS, type Variant } from "./variant.ts";

const TABLES = `
  create table accounts (
    id             uuid primary key default gen_random_uuid(),
    bank           text not null,
    holder         text not null,
    account_number text not null,
    currency       text not null default 'EUR',
    balance        bigint not null check (balance >= 0)
  );
  create table transfers (
    id           uuid primary key default gen_random_uuid(),
    from_account uuid not null references accounts,
    to_account   uuid not null references accounts,
    amount       bigint not null check (amount > 0),
    reference    text not null,
    created_at   timestamptz not null default now()
  )`;
const OPEN_ACCOUNT = "insert into accounts (id, bank, holder, account_number, balance) values ($1, $2, $3, $4, $5)";
const OPEN_IDLE_ACCOUNTS = `
  insert into accounts (bank, holder, account_number, balance)
  select $1, 'Holder ' || n, 'DE00' || lpad(n::text, 18, '0'), 100000 from generate_series(1, $2::integer) as n`;

/** (a) The two routes with no security: what an application costs before anybody protects it. */
export const plain: Variant = {
  name: "plain",
  role: "peer",
  isGuarded: false,
  async start(cluster) {
    const database = await cluster.createDatabase("plain");
    const persons = people();
    const owner = new Client(database);
    await owner.connect();
    await owner.query(TABLES);
    for (const person of persons) {
      await owner.query(OPEN_ACCOUNT, [
        person.accountId,
        person.bank,
        person.holder,
        person.accountNumber,
        OPENING_BALANCE,
      ]);
      await owner.query(OPEN_ACCOUNT, [
        person.savingsId,
        person.bank,
        person.holder,
        person.savingsNumber,
        OPENING_BALANCE,
      ]);
    }
    for (const bank of BANKS) await owner.query(OPEN_IDLE_ACCOUNTS, [bank, IDLE_ACCOUNTS]);
    await owner.query("analyze");
    await owner.end();
    const server = await startServer("plain.ts", { database, poolConnections: POOL_CONNECTIONS });
    return {
      ...server,
      accountIds: persons.map((person) => person.accountId),
      headersFor: () => ({}),
      transferBody: (session) => peerTransferBody(persons[session]),
    };
  },
};
