import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { inspectionAccess } from "../../../adapters/postgres/index.ts";
import { randomBytes, systemClock } from "../../../core/index.ts";
import { type TestDatabase, testDatabase } from "../../../testing/index.ts";
import {
  CONTEXT_FAULTS,
  type Fault,
  faultName,
  KEY_FAULTS,
  type Names,
  PATH_FAULTS,
  RIGHT_FAULTS,
  ROLES,
  ROW_FAULTS,
  SETTING,
  statementsOf,
  TABLES,
} from "../self-test/index.ts";
import type { SqlSession } from "../session.ts";
import { IsolationSettings } from "../settings.ts";
import { LIVE_CHECKS, PROBE_LIMITS, type ProbeReport, probeOpenTransaction, settingEntry } from "./index.ts";

const FAULTS = [...ROW_FAULTS, ...KEY_FAULTS, ...PATH_FAULTS, ...CONTEXT_FAULTS, ...RIGHT_FAULTS];
/** What every context that is a name alone has against it. */
const SPOOFED = "probe-spoofed-context";

let stage: TestDatabase;
let session: SqlSession;
let names: Names;
const run = async (text: string): Promise<void> => {
  for (const statement of statementsOf(text, names)) await session.query(statement);
};

beforeAll(async () => {
  stage = await testDatabase();
  session = await inspectionAccess(stage.target("postgres"), { writes: true }).connect();
  const suffix = randomBytes(4).toString("hex");
  names = { app: `app_${suffix}`, owner: `owner_${suffix}`, other: `other_${suffix}`, db: stage.name };
  await session.query("begin");
  await run(ROLES);
  await session.query(`set local role ${names.owner}`);
  await run(TABLES);
  await session.query("reset role");
});
afterAll(async () => {
  await session.query("rollback");
  await session.close();
  await stage.close();
});

async function probed(planted: string, fault?: Fault): Promise<ProbeReport> {
  await session.query("savepoint planted");
  try {
    await run(planted);
    const settings = IsolationSettings.parse({
      schemas: ["shop"],
      appRoles: [names.app],
      ownerRoles: [names.owner],
      context: { kind: "setting", name: SETTING },
      globalTables: [{ table: "shop.country", reason: "The same for everybody." }],
      ...fault?.settings,
    });
    return await probeOpenTransaction(session, fault?.entry ?? settingEntry(SETTING), settings, {
      clock: systemClock,
      ...PROBE_LIMITS,
    });
  } finally {
    await session.query("rollback to savepoint planted");
  }
}

test("the schema without a fault is found to have none, but for a context that is a name alone", async () => {
  const report = await probed("");
  expect(report.findings.map(({ check, message }) => [check, message])).toEqual([[SPOOFED, expect.any(String)]]);
  expect(report.tables.map(({ state }) => state)).toEqual(["proven", "proven", "proven", "proven", "proven"]);
});

describe.each(FAULTS.map((fault) => ({ fault, name: faultName(fault) })))("$name", ({ fault }) => {
  test("is found where it is planted", async () => {
    const report = await probed(fault.plant, fault);
    const found = report.findings.filter(({ check }) => check === fault.check);
    expect(found, JSON.stringify(report, null, 1).slice(0, 4_000)).not.toEqual([]);
  });
  test("is not found where it is not", async () => {
    const report = await probed(fault.silent ?? "", fault.silent === undefined ? undefined : fault);
    expect(report.findings.filter(({ check }) => check === fault.check)).toEqual([]);
    expect(report.ran).toContain(fault.check);
  });
});

test("every probe of rows has a fault that it finds", () => {
  const sessions = LIVE_CHECKS.filter(({ id }) =>
    /^probe-(reset-role|set-role|standing-context|context-after-.*|.*-survives|held-cursor|interleaved)$/.test(id),
  );
  const covered = new Set([...FAULTS.map(({ check }) => check), ...sessions.map(({ id }) => id), SPOOFED]);
  expect(LIVE_CHECKS.map(({ id }) => id).filter((id) => !covered.has(id))).toEqual([]);
  expect(new Set(LIVE_CHECKS.map(({ id }) => id)).size).toBe(LIVE_CHECKS.length);
});
