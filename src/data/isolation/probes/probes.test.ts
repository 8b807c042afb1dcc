import { afterAll, beforeAll, expect, test } from "vitest";
import { inspectionAccess } from "../../../adapters/postgres/index.ts";
import { randomBytes, systemClock } from "../../../core/index.ts";
import { type TestDatabase, testDatabase } from "../../../testing/index.ts";
import { contextSigner } from "../../tenants/index.ts";
import { OWN_SETTINGS } from "../own.fixture.ts";
import { ROLES, statementsOf, TABLES } from "../self-test/base.ts";
import { IsolationSettings } from "../settings.ts";
import { PROBE_LIMITS, probeOpenTransaction, runProbes, settingEntry, signedEntry } from "./index.ts";

let stage: TestDatabase;
beforeAll(async () => {
  stage = await testDatabase();
});
afterAll(async () => await stage.close());
const limits = { clock: systemClock, ...PROBE_LIMITS };

test("own", async () => {
  const entry = signedEntry(contextSigner(stage.contextKey), systemClock);
  const settings = IsolationSettings.parse(OWN_SETTINGS);
  const t = performance.now();
  const report = await runProbes(
    {
      admin: inspectionAccess(stage.target("postgres"), { writes: true }),
      app: inspectionAccess(stage.target("ringwall_app"), { writes: true }),
      entry,
    },
    settings,
    limits,
  );
  console.log(performance.now() - t, JSON.stringify({ ...report, ran: report.ran.length }, null, 1));
});

test("base", async () => {
  const suffix = randomBytes(4).toString("hex");
  const names = { app: `app_${suffix}`, owner: `owner_${suffix}`, other: `other_${suffix}`, db: stage.name };
  const session = await inspectionAccess(stage.target("postgres"), { writes: true }).connect();
  await session.query("begin");
  for (const s of statementsOf(ROLES, names)) await session.query(s);
  await session.query(`set local role ${names.owner}`);
  for (const s of statementsOf(TABLES, names)) await session.query(s);
  await session.query("reset role");
  const settings = IsolationSettings.parse({
    schemas: ["shop"],
    appRoles: [names.app],
    ownerRoles: [names.owner],
    context: { kind: "setting", name: "shop.tenant" },
    globalTables: [{ table: "shop.country", reason: "The same for all." }],
  });
  const stats = new Map<string, [number, number]>();
  const wrapped = {
    close: session.close,
    async query(text: string, values?: readonly unknown[]) {
      const t = performance.now();
      try {
        return await session.query(text, values);
      } finally {
        const k = text
          .trim()
          .slice(0, 45)
          .replace(/"[^"]*"/g, "_");
        const v = stats.get(k) ?? [0, 0];
        v[0]++;
        v[1] += performance.now() - t;
        stats.set(k, v);
      }
    },
  } as typeof session;
  const t = performance.now();
  setTimeout(() => {}, 0);
  const report = await probeOpenTransaction(wrapped, settingEntry("shop.tenant"), settings, limits);
  console.log(performance.now() - t, JSON.stringify({ ...report, ran: report.ran.length }, null, 1));
  console.log(
    [...stats]
      .sort((a, b) => b[1][1] - a[1][1])
      .slice(0, 25)
      .map(([k, v]) => `${v[0]} ${v[1].toFixed(0)}ms ${k}`)
      .join("\n"),
  );
  await session.query("rollback");
  await session.close();
});
