import { TOTP } from "otpauth";
import { Pool } from "pg";
import { openAccount } from "../../../examples/bank/routes/accounts.ts";
import { openCustomer } from "../../../examples/bank/routes/customers.ts";
import type { Bank } from "../../../examples/bank/server.ts";
import type { Principal } from "../../../src/application/access/index.ts";
import { randomToken, type TenantId, uuidv7 } from "../../../src/core/index.ts";
import type { Ringwall } from "../../../src/ringwall.ts";
import type { Access } from "../cluster.ts";
import { type Person, people } from "../population.ts";
import { BANKS, IDLE_ACCOUNTS, OPENING_BALANCE } from "../variant.ts";

type SeededBank = Bank & { readonly ringwall: Ringwall };

const AUTHORITY = { type: "system", capability: "development.seed" } as const;
const ORIGIN = { requestId: "bench.seed" } as const;
const CURRENCY = "EUR";
const TABLE = "bank.account";

/** What the load needs of one person. */
export interface Seeded {
  readonly token: string;
  readonly accountId: string;
  readonly savingsId: string;
}

/** A bank with its first owner, who has enrolled a second factor as owners must. */
async function openBank({ ringwall: { identity }, clock }: SeededBank, id: string): Promise<Principal> {
  const tenant = await identity.createTenant(AUTHORITY, { id, name: id });
  const link = await identity.inviteFirstOwner(AUTHORITY, tenant, `owner@${id}.example`);
  const entered = await identity.acceptInvitation(
    { token: link.token.open(), name: "Owner", password: randomToken() },
    ORIGIN,
  );
  const login = entered.token.open();
  const secret = (await identity.beginLoginEnrolment(login)).base32.open();
  const code = new TOTP({ secret }).generate({ timestamp: clock() });
  const opened = await identity.confirmLoginEnrolment(login, code, ORIGIN);
  return await identity.authenticate(opened.token.open());
}

/** Invites the person as an editor, who accepts and is signed in; then opens their accounts. */
async function welcome(bank: SeededBank, owner: Principal, person: Person): Promise<Seeded> {
  const { identity } = bank.ringwall;
  const link = await identity.inviteUser(owner, { email: person.email, role: "editor" });
  const joined = { token: link.token.open(), name: person.holder, password: randomToken() };
  const entered = await identity.acceptInvitation(joined, ORIGIN);
  const token = entered.token.open();
  const { user } = await identity.authenticate(token);
  const customer = uuidv7(bank.clock());
  await openCustomer(bank, owner, { id: customer, user, name: person.holder, nationalId: "AB 123456" }, ORIGIN);
  const account = { customer, currency: CURRENCY, balance: BigInt(OPENING_BALANCE) };
  for (const id of [person.accountId, person.savingsId]) {
    await openAccount(bank, owner, { ...account, id }, ORIGIN);
  }
  return { token, accountId: person.accountId, savingsId: person.savingsId };
}

// The bank opens accounts one by one; ten thousand at once are planted by the database's owner, sealed as any other.
const PLANT = `
  insert into bank.account (tenant_id, account_id, customer_id, owner_id, number, row_key, balance, currency)
  select $1, id, customer_id, user_id, number, row_key, 100000, $5
  from unnest($2::uuid[], $3::bytea[], $4::bytea[]) as idle (id, number, row_key),
    (select customer_id, user_id from bank.customer where tenant_id = $1 limit 1) as holder`;

async function plantIdleAccounts({ ringwall, clock }: SeededBank, owner: Pool, tenant: TenantId): Promise<void> {
  const ids = Array.from({ length: IDLE_ACCOUNTS }, () => uuidv7(clock()));
  const rows = await Promise.all(
    ids.map(async (row, index) => {
      const values = { number: String(index).padStart(18, "0") };
      return await ringwall.fields.sealRow(tenant, { table: TABLE, row, values });
    }),
  );
  await owner.query(PLANT, [
    tenant,
    ids,
    rows.map(({ sealed }) => sealed.number),
    rows.map(({ rowKey }) => rowKey),
    CURRENCY,
  ]);
}

/** Both banks with their people, by the bank's own functions. In the order of the sessions. */
export async function seedBanks(bank: SeededBank, superuser: Access): Promise<readonly Seeded[]> {
  const owners = await Promise.all(BANKS.map((id) => openBank(bank, id)));
  const seeded: Seeded[] = [];
  for (const person of people()) {
    const owner = owners.find(({ tenant }) => tenant === person.bank);
    if (owner === undefined) throw new Error(`nobody owns ${person.bank}`);
    seeded.push(await welcome(bank, owner, person));
  }
  const pool = new Pool({ ...superuser, max: 1 });
  for (const { tenant } of owners) await plantIdleAccounts(bank, pool, tenant);
  await pool.query("vacuum analyze");
  await pool.end();
  return seeded;
}
