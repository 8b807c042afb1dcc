import { MIGRATIONS as BANK_MIGRATIONS } from "../../../examples/bank/migrations/index.ts";
import { installContextKey, installDatabase, installRoles, MIGRATIONS, migrate } from "../../../migrations/index.ts";
import { openSql, type Target } from "../../../src/adapters/postgres/index.ts";
import { PlainSecret, randomBytes, randomToken } from "../../../src/core/index.ts";
import type { Access, Cluster } from "../cluster.ts";

const DATABASE = "ringwall";
const CONTEXT_KEY_BYTES = 32;

/** Ringwall's database as `ringwall start` makes it, and how each role reaches it. */
export interface RingwallDatabase {
  readonly app: Access;
  readonly worker: Access;
  readonly bank: Access;
  readonly owner: Access;
  readonly superuser: Access;
  readonly contextKey: { readonly kid: string; readonly key: Buffer };
}

/** How our own adapter connects with an access. */
export function targetOf({ password, ...place }: Access): Target {
  return { ...place, credential: async () => await Promise.resolve(new PlainSecret(password)) };
}

async function asOwner(access: Access, work: (db: ReturnType<typeof openSql>) => Promise<unknown>): Promise<void> {
  const db = openSql(targetOf(access));
  try {
    await work(db);
  } finally {
    await db.destroy();
  }
}

/** The same steps, in the same order, as `ringwall start` takes with an empty PostgreSQL and the example bank. */
export async function createRingwallDatabase({ superuser }: Cluster): Promise<RingwallDatabase> {
  const access = (user: string): Access => ({ ...superuser, database: DATABASE, user, password: randomToken() });
  const [owner, app, worker, bank] = [
    access("ringwall_migrate"),
    access("ringwall_app"),
    access("ringwall_worker"),
    access("bank_app"),
  ];
  const secret = ({ password }: Access): PlainSecret => new PlainSecret(password);
  const passwords = { ringwall_migrate: secret(owner), ringwall_app: secret(app), ringwall_worker: secret(worker) };
  const clients = [{ role: bank.user, password: secret(bank) }];
  const contextKey = { kid: randomBytes(6).toString("hex"), key: randomBytes(CONTEXT_KEY_BYTES) };
  const inside = { ...superuser, database: DATABASE };
  await asOwner(superuser, (db) => installRoles(db, { database: DATABASE, passwords, clients, cluster: "shared" }));
  await asOwner(inside, installDatabase);
  await asOwner(owner, async (db) => {
    await migrate(db, MIGRATIONS, [{ application: "bank", migrations: BANK_MIGRATIONS }]);
    await installContextKey(db, contextKey);
  });
  return { app, worker, bank, owner, superuser: inside, contextKey };
}
