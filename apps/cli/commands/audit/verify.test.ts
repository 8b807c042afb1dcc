import { chmodSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { createAuditKeyFile, fileHeadStore, readAuditKeyFile } from "ringwall/adapters/files";
import { type AuditEvent, parseConfig, type TenantId } from "ringwall/core";
import {
  createRecorder,
  createSequencer,
  type DetailSealer,
  HeadVerifier,
  headSigner,
  MonitoringConfig,
} from "ringwall/monitoring/audit";
import { type TestDatabase, testDatabase } from "ringwall/testing";
import { afterAll, beforeAll, expect, test } from "vitest";
import { recorded, temporaryFolder } from "../../context.fixture.ts";
import { type DataPaths, prepareDataDirectory } from "../../data-directory.ts";
import { writePrivateFile } from "../../private-file.ts";
import { run } from "../../run.ts";
import { commands } from "../index.ts";
import { writeRuntime } from "../start/runtime.ts";

let db: TestDatabase;
let paths: DataPaths;
beforeAll(async () => {
  db = await testDatabase();
  paths = await installation(db);
});
afterAll(async () => {
  await db.close();
});

// Details are not opened by this command, so they need no secrecy here.
const seal: DetailSealer = { seal: (_tenant, _id, detail) => detail, open: (_tenant, _id, sealed) => sealed };
const config = parseConfig(MonitoringConfig, { audit: { signMs: 0 } }).audit;

/** A data directory as a supervisor leaves it while it runs, over the test's own database. */
async function installation(database: TestDatabase): Promise<DataPaths> {
  const made = prepareDataDirectory(join(temporaryFolder(), "data"), process.geteuid?.() ?? -1);
  const { contextKey, name } = database;
  const { host, port, credential } = database.target("ringwall_worker");
  writePrivateFile(join(made.secrets, "ringwall_worker.password"), (await credential()).open());
  writePrivateFile(made.contextKey, `${contextKey.kid}:${contextKey.key.toString("base64url")}`);
  writePrivateFile(made.config, '{"mode":"development"}');
  writeRuntime(join(made.run, "runtime.json"), {
    configFile: made.config,
    dataDir: made.root,
    adminSocket: made.adminSocket,
    postgres: { host, port, database: name },
    ports: { api: 7_400, bank: null, gateway: null },
  });
  await createAuditKeyFile(made.auditKey);
  mkdirSync(made.auditHeads, { mode: 0o700 });
  return made;
}

/** Records acts of a tenant and chains them. */
async function act(tenant: TenantId, count: number): Promise<void> {
  const recorder = createRecorder({ database: db.database, seal, clock: db.clock, config, every: () => () => {} });
  const actor = { type: "service", tenant, name: "bank" } as const;
  const event: AuditEvent = { action: "transfer.executed", outcome: "success", tenant, actor };
  for (let done = 0; done < count; done += 1) {
    await db.database.forTenant(tenant, actor, async (tx) => await recorder.record(tx, event));
  }
  const signer = headSigner(await readAuditKeyFile(paths.auditKey));
  const verifier = new HeadVerifier([signer.publicKey]);
  const heads = await fileHeadStore(paths.auditHeads);
  const sequencer = createSequencer({ database: db.worker, signer, verifier, heads, clock: db.clock, config });
  await sequencer.drain();
  await sequencer.stop();
}

async function verify(...words: string[]): Promise<{ code: number; out: string[]; err: string[] }> {
  const { context, out, err } = recorded({ cwd: temporaryFolder() }, { clock: db.clock });
  const code = await run(commands, ["audit", "verify", "--data", paths.root, ...words], context);
  return { code, out, err };
}

test("a whole log is verified, tenant by tenant, and a rewritten one is named and exits 1", async () => {
  const [north, south] = [await db.createTenant("north"), await db.createTenant("south")];
  await act(north, 3);
  await act(south, 2);
  const whole = await verify();
  expect(whole.err).toEqual([]);
  expect([whole.code, whole.out.at(-1)]).toEqual([0, "the audit log is whole"]);
  expect(whole.out.find((line) => line.startsWith("north"))).toMatch(/^north\s+3\s+3\s+3\s+0\s+whole$/);

  // What the database's owner can do: triggers off, row-level security does not apply.
  await db.owner.query(
    `do $$ begin set local session_replication_role = replica;
       update ringwall.audit_entry set leaf = replace(leaf, 'success', 'failure') where tenant_id = 'north' and position = 2;
     end $$`,
  );
  const rewritten = await verify("--json");
  expect(rewritten.code).toBe(1);
  expect(JSON.parse(rewritten.out.join(""))).toMatchObject({
    ok: false,
    tenants: expect.arrayContaining([
      expect.objectContaining({ tenant: "north", problem: expect.objectContaining({ position: 2 }) }),
    ]),
  });
  expect((await verify("--tenant", "south")).code).toBe(0);
});

test("what is missing is a refusal to verify, never a pass", async () => {
  const heads = await verify("--heads", join(paths.root, "none"));
  expect([heads.code, heads.err[0]]).toEqual([1, expect.stringContaining("does not exist")]);
  const key = await verify("--key", join(paths.root, "none"));
  expect([key.code, key.err[0]]).toEqual([1, expect.stringContaining("does not exist")]);
  chmodSync(paths.auditKey, 0o644);
  const open = await verify();
  expect([open.code, open.err[0]]).toEqual([1, expect.stringContaining("can be read by others")]);
  chmodSync(paths.auditKey, 0o600);
  expect((await verify("--tenant", "No Such!")).code).toBe(2);
});
