import { chmodSync, globSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestProject } from "vitest/node";
import { startEmbeddedPostgres, stopAbandoned } from "../adapters/embedded-postgres/index.ts";
import { silentLogger } from "../core/index.ts";
import { prepareTemplate, TEMPLATE, type TestServer, testContextKey, testPasswords } from "./servers/template.ts";

declare module "vitest" {
  export interface ProvidedContext {
    ringwallPostgres: TestServer;
  }
}

const PREFIX = "rw-test-";

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
      passwords: { ...testPasswords(), [server.superuser]: server.superuserPassword().open() },
      contextKey: testContextKey(),
    };
    await prepareTemplate(test);
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
