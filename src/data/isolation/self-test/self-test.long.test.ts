import { expect, test } from "vitest";
import { inspectionAccess } from "../../../adapters/postgres/index.ts";
import { randomBytes, systemClock } from "../../../core/index.ts";
import { testDatabase } from "../../../testing/index.ts";
import { debianPostgresMissing, startDebianPostgres, type TestServer } from "../../../testing/servers/index.ts";
import { type SelfTestReport, selfTest, selfTestTable } from "./index.ts";

async function tried(server?: TestServer): Promise<SelfTestReport> {
  const stage = await testDatabase(server === undefined ? {} : { server });
  try {
    const access = inspectionAccess(stage.target("postgres"), { writes: true });
    return await selfTest(access, { clock: systemClock, seed: randomBytes(4).readUInt32BE() });
  } finally {
    await stage.close();
  }
}

test("every fault is found, in each of three disguises too, and nothing where no fault is", async () => {
  const report = await tried();
  expect(report.passed, selfTestTable(report)).toBe(true);
});

const missing = debianPostgresMissing();
test.skipIf(missing !== undefined)(
  `so it is on PostgreSQL 15${missing === undefined ? "" : ` (${missing})`}`,
  async () => {
    const server = await startDebianPostgres();
    try {
      const report = await tried(server);
      expect(report.passed, selfTestTable(report)).toBe(true);
    } finally {
      await server.stop();
    }
  },
);
