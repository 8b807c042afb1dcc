import { installContextKey, installDatabase, installRoles, migrate } from "../../migrations/index.ts";
import { ownerConnection } from "../adapters/postgres/index.ts";
import { PlainSecret, randomBytes, randomToken } from "../core/index.ts";

/** What a test process needs to reach the run's server. Plain strings, because it crosses processes. */
export interface TestServer {
  readonly host: string;
  readonly port: number;
  readonly superuser: string;
  readonly passwords: Readonly<Record<string, string>>;
  readonly contextKey: { readonly kid: string; readonly key: string };
}

export const TEMPLATE = "ringwall_template";

/** Roles, schema and context key, once; `testDatabase` copies the result. */
export async function makeTemplate(
  at: { readonly host: string; readonly port: number; readonly superuser: string },
  superuserPassword: PlainSecret,
): Promise<TestServer> {
  const roles = ["ringwall_migrate", "ringwall_app", "ringwall_worker", "bank_app"] as const;
  const passwords = Object.fromEntries(roles.map((role) => [role, randomToken()]));
  const secret = (role: string): PlainSecret => new PlainSecret(passwords[role] ?? "");
  const key = { kid: "test1", key: randomBytes(32) };
  const connect = (database: string, user: string, password: PlainSecret) =>
    ownerConnection({ ...at, database, user, credential: async () => password });

  const root = connect("postgres", at.superuser, superuserPassword);
  await installRoles(root, {
    database: TEMPLATE,
    passwords: {
      ringwall_migrate: secret("ringwall_migrate"),
      ringwall_app: secret("ringwall_app"),
      ringwall_worker: secret("ringwall_worker"),
    },
    clients: [{ role: "bank_app", password: secret("bank_app") }],
    cluster: "shared",
  });
  await root.destroy();
  const inside = connect(TEMPLATE, at.superuser, superuserPassword);
  await installDatabase(inside);
  await inside.destroy();
  const owner = connect(TEMPLATE, "ringwall_migrate", secret("ringwall_migrate"));
  await migrate(owner);
  await installContextKey(owner, key, "constant");
  await owner.destroy();
  return {
    ...at,
    passwords: { ...passwords, [at.superuser]: superuserPassword.open() },
    contextKey: { kid: key.kid, key: key.key.toString("hex") },
  };
}
