import { afterAll, beforeAll, expect, test } from "vitest";
import { inspectionAccess } from "../../../adapters/postgres/index.ts";
import { randomBytes, systemClock } from "../../../core/index.ts";
import { type TestDatabase, testDatabase } from "../../../testing/index.ts";
import { selfTest, selfTestTable } from "./index.ts";

let stage: TestDatabase;
beforeAll(async () => {
  stage = await testDatabase();
});
afterAll(async () => await stage.close());

test("every fault is found, in each of three disguises too, and nothing where no fault is", async () => {
  const access = inspectionAccess(stage.target("postgres"), { writes: true });
  const report = await selfTest(access, { clock: systemClock, seed: randomBytes(4).readUInt32BE() });
  expect(report.passed, selfTestTable(report)).toBe(true);
});
