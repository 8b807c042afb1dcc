import { randomBytes } from "node:crypto";
import { createServer } from "node:net";
import { getMigrations } from "better-auth/db/migration";
import { Pool } from "pg";
import { type Auth, createAuth } from "./assembled-auth.ts";
import { startServer } from "./child.ts";
import type { Cluster } from "./cluster.ts";
import { type FieldCipher, fieldCipher } from "./field-cipher.ts";
import { type Person, peerTransferBody, people } from "./population.ts";
import { BANKS, IDLE_ACCOUNTS, OPENING_BALANCE, POOL_CONNECTIONS, type Variant } from "./variant.ts";

const TABLES = `
  create table accounts (
    bank           text not null,
    id             uuid primary key default gen_random_uuid(),
    owner_id       text not null,
    holder         text not null,
    account_number bytea not null,
    currency       text not null default 'EUR',
    balance        bigint not null check (balance >= 0)
  );
  create index on accounts (bank, owner_id);
  create table transfers (
    bank         text not null,
    id           uuid primary key default gen_random_uuid(),
    from_account uuid not null references accounts,
    to_account   uuid not null references accounts,
    amount       bigint not null check (amount > 0),
    reference    text not null,
    created_at   timestamptz not null default now()
  );
  create table audit_log (
    bank       text not null,
    id         bigint generated always as identity primary key,
    user_id    text not null,
    action     text not null,
    target     text not null,
    ip_address text not null,
    request_id text not null,
    created_at timestamptz not null default now()
  );
  create index on audit_log (bank, created_at)`;

const ROW_SECURITY = `
  alter table accounts enable row level security;
  alter table accounts force row level security;
  alter table transfers enable row level security;
  alter table transfers force row level security;
  alter table audit_log enable row level security;
  alter table audit_log force row level security;
  create policy bank on accounts
    using (bank = current_setting('app.bank', true)) with check (bank = current_setting('app.bank', true));
  create policy bank on transfers
    using (bank = current_setting('app.bank', true)) with check (bank = current_setting('app.bank', true));
  create policy bank on audit_log
    using (bank = current_setting('app.bank', true)) with check (bank = current_setting('app.bank', true))`;

const GRANTS =
  "select format('grant usage on schema public to %1$I; grant select, insert, update, delete on all tables in schema public to %1$I', $1::text) as text";
const OPEN_ACCOUNT =
  "insert into accounts (id, bank, owner_id, holder, account_number, balance) values ($1, $2, $3, $4, $5, $6)";
const OPEN_IDLE_ACCOUNTS = `
  insert into accounts (bank, owner_id, holder, account_number, balance)
  select $1, 'nobody', 'Holder ' || n, sha256(n::text::bytea), 100000 from generate_series(1, $2::integer) as n`;

interface Seed {
  readonly owner: Pool;
  readonly auth: Auth;
  readonly cipher: FieldCipher;
}

/** Signs the person up, puts them into their bank, signs them in with their password, and opens their accounts. */
async function welcome({ owner, auth, cipher }: Seed, person: Person): Promise<string> {
  const password = randomBytes(16).toString("hex");
  const { user } = await auth.api.signUpEmail({ body: { name: person.holder, email: person.email, password } });
  await owner.query('update "user" set bank = $2 where id = $1', [user.id, person.bank]);
  for (const [id, number] of [
    [person.accountId, person.accountNumber],
    [person.savingsId, person.savingsNumber],
  ] as const) {
    await owner.query(OPEN_ACCOUNT, [
      id,
      person.bank,
      user.id,
      person.holder,
      cipher.seal(number, id),
      OPENING_BALANCE,
    ]);
  }
  const { headers } = await auth.api.signInEmail({ body: { email: person.email, password }, returnHeaders: true });
  return headers
    .getSetCookie()
    .map((cookie) => cookie.split(";")[0])
    .join("; ");
}

/** The server's own port must be known before it starts: better-auth's base URL holds it. */
async function freePort(): Promise<number> {
  const probe = createServer().listen(0, "127.0.0.1");
  await new Promise((resolve) => probe.once("listening", resolve));
  const address = probe.address();
  await new Promise((resolve) => probe.close(resolve));
  if (typeof address !== "object" || address === null) throw new Error("no free port");
  return address.port;
}

function assembledVariant(name: string, cachesSessions: boolean): Variant {
  return {
    name,
    role: "peer",
    isGuarded: true,
    async start(cluster: Cluster) {
      const databaseName = name.replaceAll("-", "_");
      const database = await cluster.createDatabase(databaseName);
      const login = await cluster.createRole(`${databaseName}_app`);
      const port = await freePort();
      const secrets = { authSecret: randomBytes(32).toString("hex"), fieldKey: randomBytes(32).toString("hex") };
      const baseUrl = `http://127.0.0.1:${port}`;

      const owner = new Pool({ ...database, max: 4 });
      const auth = createAuth({ pool: owner, secret: secrets.authSecret, baseUrl, cachesSessions });
      const { runMigrations } = await getMigrations(auth.options);
      await runMigrations();
      await owner.query(TABLES);
      const persons = people();
      const seed = { owner, auth, cipher: fieldCipher(secrets.fieldKey) };
      const cookies = await Promise.all(persons.map((person) => welcome(seed, person)));
      for (const bank of BANKS) await owner.query(OPEN_IDLE_ACCOUNTS, [bank, IDLE_ACCOUNTS]);
      await owner.query(ROW_SECURITY);
      const grants = await owner.query<{ text: string }>(GRANTS, [login.user]);
      for (const { text } of grants.rows) await owner.query(text);
      await owner.query("analyze");
      await owner.end();

      const config = {
        database: { ...database, ...login },
        poolConnections: POOL_CONNECTIONS,
        port,
        baseUrl,
        ...secrets,
        cachesSessions,
      };
      const server = await startServer("assembled.ts", config);
      return {
        ...server,
        accountIds: persons.map((person) => person.accountId),
        headersFor: (session) => ({ cookie: cookies[session] ?? "" }),
        transferBody: (session) => peerTransferBody(persons[session]),
      };
    },
  };
}

/** (b) The usual parts; every request asks the database for its session. */
export const assembled: Variant = assembledVariant("assembled", false);

/** (b) The same with better-auth's cookie cache: a revoked session works until the cookie runs out. */
export const assembledCached: Variant = assembledVariant("assembled-cached", true);
