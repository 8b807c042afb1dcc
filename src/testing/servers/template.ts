import { installContextKey, installDatabase, installRoles, migrate } from "../../../migrations/index.ts";
import { openSql } from "../../adapters/postgres/index.ts";
import { PlainSecret, randomBytes, randomToken } from "../../core/index.ts";

/** What a test needs to reach the a PostgreSQL of this run. */
export interface TestServer {
  readonly host: string;
  readonly port: number;
  /** Migrated once per run; every test database is a copy of it. */
  readonly template: string;
  readonly superuser: string;
  /** Of the superuser and of every role of Ringwall's, by name. */
  readonly passwords: Readonly<Record<string, string>>;
  readonly contextKey: { readonly kid: string; readonly keyHex: string };
}

export const TEMPLATE = "ringwall_template";
const ROLES = ["ringwall_migrate", "ringwall_app", "ringwall_worker", "bank_app"] as const;

/** A random password for every role of Ringwall's. */
export function testPasswords(): Record<string, string> {
  return Object.fromEntries(ROLES.map((role) => [role, randomToken()]));
}

/** A key that signs the contexts of one server's tests. */
export function testContextKey(): TestServer["contextKey"] {
  return { kid: "t1", keyHex: randomBytes(32).toString("hex") };
}

/** Makes the roles and the migrated database that every test database is a copy of. */
export async function prepareTemplate(server: TestServer): Promise<void> {
  const password = (role: string): PlainSecret => new PlainSecret(server.passwords[role] ?? "");
  const sqlAs = (user: string, database: string) =>
    openSql({ host: server.host, port: server.port, database, user, credential: async () => password(user) });

  const superuser = sqlAs(server.superuser, "postgres");
  await installRoles(superuser, {
    database: server.template,
    passwords: {
      ringwall_migrate: password("ringwall_migrate"),
      ringwall_app: password("ringwall_app"),
      ringwall_worker: password("ringwall_worker"),
    },
    clients: [{ role: "bank_app", password: password("bank_app") }],
    cluster: "own",
  });
  await superuser.destroy();

  const inside = sqlAs(server.superuser, server.template);
  await installDatabase(inside);
  await inside.destroy();

  const owner = sqlAs("ringwall_migrate", server.template);
  await migrate(owner);
  const { kid, keyHex } = server.contextKey;
  await installContextKey(owner, { kid, key: Buffer.from(keyHex, "hex") });
  await owner.destroy();
}
