import { chmodSync, globSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestProject } from "vitest/node";
import { installContextKey, installDatabase, installRoles, migrate } from "../../migrations/index.ts";
import { startEmbeddedPostgres, stopAbandoned } from "../adapters/embedded-postgres/index.ts";
import { openSql } from "../adapters/postgres/index.ts";
import { PlainSecret, randomBytes, randomToken, silentLogger } from "../core/index.ts";

/** What a test needs to reach the one PostgreSQL of this run. */
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

declare module "vitest" {
  export interface ProvidedContext {
    ringwallPostgres: TestServer;
  }
}

const PREFIX = "rw-test-";
const TEMPLATE = "ringwall_template";
const ROLES = ["ringwall_migrate", "ringwall_app", "ringwall_worker", "bank_app"] as const;

/** vitest's global set-up: one PostgreSQL for all tests, in a folder that is gone at the end. */
export async function setup(project: TestProject): Promise<() => Promise<void>> {
  await removeLeftovers();
  const folder = mkdtempSync(join(tmpdir(), PREFIX));
  chmodSync(folder, 0o755);
  try {
    return await serve(folder, project);
  } catch (error) {
    rmSync(folder, { recursive: true, force: true });
    throw error;
  }
}

async function serve(folder: string, project: TestProject): Promise<() => Promise<void>> {
  const server = await startEmbeddedPostgres({
    dataDir: join(folder, "data"),
    // Nothing of a test has to survive the machine.
    settings: { fsync: "off", synchronous_commit: "off", full_page_writes: "off", max_connections: "300" },
    log: silentLogger,
  });
  const teardown = async (): Promise<void> => {
    await server.stop();
    rmSync(folder, { recursive: true, force: true });
  };
  try {
    const test = {
      host: server.host,
      port: server.port,
      template: TEMPLATE,
      superuser: server.superuser,
      passwords: {
        ...Object.fromEntries(ROLES.map((role) => [role, randomToken()])),
        [server.superuser]: server.superuserPassword().open(),
      },
      contextKey: { kid: "t1", keyHex: randomBytes(32).toString("hex") },
    };
    await buildTemplate(test);
    project.provide("ringwallPostgres", test);
  } catch (error) {
    await teardown();
    throw error;
  }
  return teardown;
}

/** What a run that was killed left behind: its server, which outlives it by design, and its folder. */
async function removeLeftovers(): Promise<void> {
  for (const folder of globSync(join(tmpdir(), `${PREFIX}*`))) {
    if (await stopAbandoned(join(folder, "data"))) rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  }
}

async function buildTemplate(server: TestServer): Promise<void> {
  const password = (role: string): PlainSecret => new PlainSecret(server.passwords[role] ?? "");
  const sqlAs = (user: string, database: string) =>
    openSql({ host: server.host, port: server.port, database, user, credential: async () => password(user) });

  const superuser = sqlAs(server.superuser, "postgres");
  await installRoles(superuser, {
    database: TEMPLATE,
    passwords: {
      ringwall_migrate: password("ringwall_migrate"),
      ringwall_app: password("ringwall_app"),
      ringwall_worker: password("ringwall_worker"),
    },
    clients: [{ role: "bank_app", password: password("bank_app") }],
    cluster: "own",
  });
  await superuser.destroy();

  const inside = sqlAs(server.superuser, TEMPLATE);
  await installDatabase(inside);
  await inside.destroy();

  const owner = sqlAs("ringwall_migrate", TEMPLATE);
  await migrate(owner);
  const { kid, keyHex } = server.contextKey;
  await installContextKey(owner, { kid, key: Buffer.from(keyHex, "hex") });
  await owner.destroy();
}
