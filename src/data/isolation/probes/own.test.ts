import { spawn } from "node:child_process";
import { once } from "node:events";
import { afterAll, beforeAll, expect, test } from "vitest";
import { inspectionAccess } from "../../../adapters/postgres/index.ts";
import { systemClock } from "../../../core/index.ts";
import { type TestDatabase, testDatabase } from "../../../testing/index.ts";
import { contextSigner } from "../../tenants/index.ts";
import { RINGWALL_SETTINGS } from "../own.ts";
import type { SqlAccess } from "../session.ts";
import { LIVE_CHECKS, PROBE_LIMITS, type ProbeAccess, runProbes, signedEntry } from "./index.ts";

let stage: TestDatabase;
let access: ProbeAccess;
const limits = { clock: systemClock, ...PROBE_LIMITS };

beforeAll(async () => {
  stage = await testDatabase();
  const as = (role: string): SqlAccess => inspectionAccess(stage.target(role), { writes: true });
  const entry = signedEntry(contextSigner(stage.contextKey), systemClock);
  access = { admin: as("postgres"), app: as("ringwall_app"), entry };
});
afterAll(async () => await stage.close());

/** Every row of every table, and where every sequence stands. */
async function contents(): Promise<unknown> {
  const tables = await stage.owner.query<{ name: string; kind: string }>(
    `select c.oid::regclass::text as name, c.relkind as kind from pg_class c join pg_namespace n on n.oid = c.relnamespace
     where n.nspname = 'ringwall' and c.relkind in ('r', 'S') order by 1`,
  );
  const said: Record<string, unknown> = {};
  for (const { kind, name } of tables) {
    const text =
      kind === "S"
        ? `select last_value from ${name}`
        : `select md5(string_agg(t::text, '|' order by t::text)) from ${name} t`;
    said[name] = await stage.owner.query(text);
  }
  said["large objects"] = await stage.owner.query("select count(*) from pg_largeobject_metadata");
  return said;
}

test("Ringwall's own schema lets none of the probes through but those that its settings give a reason for", async () => {
  const before = await contents();
  const report = await runProbes(access, RINGWALL_SETTINGS, limits);
  const open = report.findings.filter(
    (finding) =>
      !RINGWALL_SETTINGS.exceptions.some(
        ({ check, object }) =>
          check === finding.check &&
          (object === `${finding.object.schema ?? ""}.${finding.object.name}` || finding.tables.includes(object)),
      ),
  );
  expect(open.map(({ check, message }) => [check, message])).toEqual([]);
  expect(report.tables.filter(({ state }) => state === "proven").length).toBeGreaterThan(15);
  expect(report.ran.length).toBeGreaterThan(LIVE_CHECKS.length - 10);
  expect(await contents()).toEqual(before);
});

/** Until a probing backend is in the middle of its transaction. */
async function probingPid(): Promise<number> {
  for (;;) {
    const [row] = await stage.owner.query<{ pid: number }>(
      `select pid from pg_stat_activity where datname = current_database() and backend_xid is not null and pid <> pg_backend_pid()
       and query ~ 'savepoint|insert|update|select' limit 1`,
    );
    if (row !== undefined) return row.pid;
  }
}

async function goneAgain(pid: number): Promise<void> {
  for (;;) {
    const rows = await stage.owner.query("select from pg_stat_activity where pid = $1", [pid]);
    if (rows.length === 0) return;
  }
}

test("a backend that is ended in the middle leaves nothing behind, and the run says that the connection is lost", async () => {
  const before = await contents();
  const running = runProbes(access, RINGWALL_SETTINGS, limits);
  const outcome = expect(running).rejects.toThrow();
  const pid = await probingPid();
  await stage.owner.query("select pg_terminate_backend($1)", [pid]);
  await outcome;
  await goneAgain(pid);
  expect(await contents()).toEqual(before);
});

test("a process that is killed in the middle leaves nothing behind", async () => {
  const before = await contents();
  const { host, port, database } = stage.target("postgres");
  const password = (await stage.target("postgres").credential()).open();
  const script = `
    import { inspectionAccess } from "./src/adapters/postgres/index.ts";
    import { PlainSecret } from "./src/core/index.ts";
    import { RINGWALL_SETTINGS } from "./src/data/isolation/own.ts";
    import { PROBE_LIMITS, runProbes, settingEntry } from "./src/data/isolation/probes/index.ts";
    const [host, port, database, password] = JSON.parse(process.env.STAGE);
    const target = { host, port, database, user: "postgres", credential: async () => new PlainSecret(password) };
    const access = { admin: inspectionAccess(target, { writes: true }), entry: settingEntry("probe.tenant") };
    for (;;) await runProbes(access, RINGWALL_SETTINGS, { clock: Date.now, ...PROBE_LIMITS });`;
  const child = spawn(process.execPath, ["--conditions=source", "--input-type=module", "-e", script], {
    env: { ...process.env, STAGE: JSON.stringify([host, port, database, password]) },
    stdio: "ignore",
  });
  const ended = once(child, "exit");
  const pid = await probingPid();
  process.kill(child.pid ?? 0, "SIGKILL");
  await ended;
  await goneAgain(pid);
  expect(await contents()).toEqual(before);
});

test("a table that the application holds is left alone, and no one waits for it", async () => {
  const holder = await inspectionAccess(stage.target("postgres"), { writes: true }).connect();
  try {
    await holder.query("begin");
    await holder.query("lock table ringwall.velocity in share mode");
    const report = await runProbes(
      { admin: access.admin, entry: access.entry } as ProbeAccess,
      { ...RINGWALL_SETTINGS, appRoles: ["ringwall_app"] },
      limits,
    );
    expect(report.tables.find(({ table }) => table === "ringwall.velocity")).toMatchObject({ state: "unplanted" });
    expect(report.tables.filter(({ state }) => state === "proven").length).toBeGreaterThan(8);
  } finally {
    await holder.query("rollback");
    await holder.close();
  }
});

test("a table that is being altered hides the catalog: nothing is probed, and the report says why", async () => {
  const holder = await inspectionAccess(stage.target("postgres"), { writes: true }).connect();
  try {
    await holder.query("begin");
    await holder.query("lock table ringwall.velocity in access exclusive mode");
    const report = await runProbes(
      { admin: access.admin, entry: access.entry } as ProbeAccess,
      RINGWALL_SETTINGS,
      limits,
    );
    expect(report.findings).toEqual([]);
    expect(report.ran).toEqual([]);
    expect(new Set(report.skipped.map(({ reason }) => reason))).toEqual(
      new Set(["the catalog could not be read: canceling statement due to lock timeout"]),
    );
  } finally {
    await holder.query("rollback");
    await holder.close();
  }
});
