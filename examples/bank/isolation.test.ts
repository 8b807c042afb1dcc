import { inspectionAccess } from "ringwall/adapters/postgres";
import { IsolationSettings, verifyStatic } from "ringwall/data/isolation";
import { expect, test } from "vitest";
import { bankDatabase } from "./stage.fixture.ts";

test("every table of the bank is walled", async () => {
  const at = await bankDatabase();
  const settings = IsolationSettings.parse({
    schemas: ["bank"],
    appRoles: ["bank_app"],
    ownerRoles: ["ringwall_migrate"],
  });
  const report = await verifyStatic(inspectionAccess(at.target("postgres")), settings, "2026-01-01T00:00:00.000Z");
  await at.close();
  expect(report.skipped).toEqual([]);
  expect(report.verdicts.length).toBeGreaterThan(3);
  expect(report.verdicts.filter(({ state }) => state !== "WALLED")).toEqual([]);
  expect(report.findings.filter(({ level }) => level === "error")).toEqual([]);
});
