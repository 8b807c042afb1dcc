import { Client } from "pg";
import { startServer } from "../child.ts";
import { people } from "../population.ts";
import { BANKS, IDLE_ACCOUNTS, OPENING_BALANCE, TRANSFER_AMOUNT, type Variant } from "../variant.ts";

const TABLES = `
  create table account (
    account_id uuid   primary key default gen_random_uuid(),
    bank       text   not null,
    owner_id   uuid   not null default gen_random_uuid(),
    number     text   not null,
    balance    bigint not null check (balance >= 0),
    currency   text   not null default 'EUR'
  );
  create index on account (bank, owner_id);
  create table transfer (
    transfer_id  uuid        primary key,
    from_account uuid        not null references account,
    to_account   uuid        not null references account,
    amount       bigint      not null check (amount > 0),
    currency     text        not null,
    created_at   timestamptz not null default now()
  )`;
const OPEN_ACCOUNT = "insert into account (account_id, bank, number, balance) values ($1, $2, $3, $4)";
const OPEN_IDLE_ACCOUNTS = `
  insert into account (bank, number, balance)
  select $1, 'DE00' || lpad(n::text, 18, '0'), 100000 from generate_series(1, $2::integer) as n`;

/** (c) Our own plumbing with no protection: what is above it is the price of protection itself. */
export const lean: Variant = {
  name: "lean",
  role: "peer",
  isGuarded: false,
  async start(cluster) {
    const database = await cluster.createDatabase("lean");
    const persons = people();
    const owner = new Client(database);
    await owner.connect();
    await owner.query(TABLES);
    for (const { accountId, accountNumber, bank, savingsId, savingsNumber } of persons) {
      await owner.query(OPEN_ACCOUNT, [accountId, bank, accountNumber, OPENING_BALANCE]);
      await owner.query(OPEN_ACCOUNT, [savingsId, bank, savingsNumber, OPENING_BALANCE]);
    }
    for (const bank of BANKS) await owner.query(OPEN_IDLE_ACCOUNTS, [bank, IDLE_ACCOUNTS]);
    await owner.query("analyze");
    await owner.end();
    const server = await startServer("lean/server.ts", { database });
    return {
      ...server,
      accountIds: persons.map(({ accountId }) => accountId),
      headersFor: () => ({}),
      transferBody(session) {
        const { accountId, savingsId } = persons[session] ?? {};
        return JSON.stringify({ from: accountId, to: savingsId, amount: TRANSFER_AMOUNT });
      },
    };
  },
};
