import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestProject } from "vitest/node";
import { startEmbeddedPostgres } from "../adapters/embedded-postgres/index.ts";
import { silentLogger } from "../core/index.ts";
import { makeTemplate, type TestServer } from "./template.ts";

declare module "vitest" {
  interface ProvidedContext {
    ringwallTestServer: TestServer;
  }
}

/**
 * One PostgreSQL for all tests of a run, with a migrated template that every test's database is copied from.
 * Nothing is written to disk for certain (`fsync=off`): a test that is about durability starts its own server.
 */
export async function setup(project: TestProject): Promise<() => Promise<void>> {
  const dataDir = mkdtempSync(join(tmpdir(), "ringwall-test-"));
  const server = await startEmbeddedPostgres({
    dataDir,
    settings: { fsync: "off", synchronous_commit: "off", full_page_writes: "off", max_connections: "200" },
    log: silentLogger,
  });
  project.provide(
    "ringwallTestServer",
    await makeTemplate({ host: server.host, port: server.port, superuser: server.superuser }, server.superuserPassword()),
  );
  return async () => {
    await server.stop();
    rmSync(dataDir, { recursive: true, force: true });
  };
}
