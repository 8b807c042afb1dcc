import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type PostgresDatabase, postgresBus, postgresDatabase } from "../../src/adapters/postgres/index.ts";
import { silentLogger, statement, systemClock, type TenantId } from "../../src/core/index.ts";
import { contextSigner } from "../../src/data/tenants/index.ts";
import { followSigner, type Runtime } from "../../src/supervised.ts";
import { type TestDatabase, testDatabase } from "../../src/testing/index.ts";
import { runCli, spawnCli } from "../cli-process.ts";

// The key that signs tenant contexts is replaced under processes that work on: by the real command, over a data directory
// as a supervisor leaves it while it runs.

let data: TestDatabase;
let tenant: TenantId;
const root = mkdtempSync(join(tmpdir(), "rw-context-rotation-"));
const keyFile = join(root, "secrets", "context.key");
const uid = process.geteuid?.() ?? -1;
const WHO = statement<{ tenant: string }>("rotation.who", "select ringwall.tenant() as tenant");

beforeAll(async () => {
  data = await testDatabase();
  tenant = await data.createTenant("northbank");
  for (const folder of ["secrets", "run", "log"]) mkdirSync(join(root, folder), { mode: 0o700 });
  const own = (name: string, text: string): void => writeFileSync(join(root, name), text, { mode: 0o600 });
  for (const role of ["ringwall_app", "ringwall_migrate"])
    own(`secrets/${role}.password`, (await data.target(role).credential()).open());
  own("secrets/context.key", `${data.contextKey.kid}:${data.contextKey.key.toString("base64url")}\n`);
  own("ringwall.config.json", '{"mode":"development"}');
  own("run/runtime.json", JSON.stringify(runtime()));
});
afterAll(async () => {
  await data.close();
  rmSync(root, { recursive: true, force: true });
});

function runtime(): Runtime {
  const { host, port } = data.target("ringwall_app");
  return {
    configFile: join(root, "ringwall.config.json"),
    dataDir: root,
    adminSocket: join(root, "run", "admin.sock"),
    postgres: { host, port, database: data.name },
    ports: { api: 7_400, bank: null, gateway: null },
    uid,
  };
}

/** A server's part of it: follows the file, and works as fast as it can until it is told to end. */
async function startWorker(): Promise<{
  readonly kid: () => string;
  end(): Promise<{ done: number; failed: unknown[] }>;
}> {
  const { close, signer } = await followSigner(runtime(), silentLogger);
  const database = postgresDatabase({ target: data.target("ringwall_app"), signer, clock: systemClock });
  const state = { ending: false, done: 0, failed: [] as unknown[] };
  const work = async (how: (database: PostgresDatabase) => Promise<readonly object[]>): Promise<void> => {
    while (!state.ending) {
      await how(database).catch((error: unknown) => state.failed.push(error));
      state.done += 1;
    }
  };
  const actor = { type: "service", tenant, name: "rotation" } as const;
  const workers = [
    work((one) => one.once(tenant, actor, WHO)),
    work((one) => one.forTenant(tenant, actor, (tx) => tx.run(WHO))),
    work((one) => one.forTenant(tenant, actor, async (tx) => await delay(20).then(() => tx.run(WHO)))),
  ];
  return {
    kid: () => signer.kid,
    async end() {
      state.ending = true;
      await Promise.all(workers);
      close();
      await database.close();
      return { done: state.done, failed: state.failed };
    },
  };
}

const rotate = async (): Promise<{ exit: number | null; stdout: string; stderr: string }> =>
  await runCli(["keys", "rotate-context", "--data", root, "--json"]);
const aMinuteLater = async (): Promise<unknown> =>
  await data.owner.query("update ringwall.context_key set created_at = created_at - interval '61 seconds'");
const currentKid = (): string => readFileSync(keyFile, "utf8").split(":")[0] ?? "";
const works = async (): Promise<void> => {
  const worker = await startWorker();
  await delay(100);
  expect((await worker.end()).failed).toEqual([]);
};

test("is replaced twice under load: servers switch by themselves, and no transaction is refused", async () => {
  const first = currentKid();
  const worker = await startWorker();
  for (const round of [1, 2]) {
    await aMinuteLater();
    const done = await rotate();
    expect([round, done.exit, done.stderr]).toEqual([round, 0, ""]);
    while (worker.kid() !== currentKid()) await delay(50);
    await delay(200);
  }
  const { done, failed } = await worker.end();
  expect(failed).toEqual([]);
  expect(done).toBeGreaterThan(500);
  // The first key is retired by the second rotation, in the file of nobody and in the database.
  const live = await data.owner.query<{ kid: string }>("select kid from ringwall.context_key order by created_at desc");
  expect(live.map(({ kid }) => kid)).toContain(currentKid());
  expect(live).toHaveLength(2);
  expect(live.map(({ kid }) => kid)).not.toContain(first);
  const retired = postgresDatabase({
    target: data.target("ringwall_app"),
    signer: contextSigner(data.contextKey),
    clock: systemClock,
  });
  await expect(retired.once(tenant, { type: "service", tenant, name: "old" }, WHO)).rejects.toMatchObject({
    detail: { sqlstate: "RW001" },
  });
  await retired.close();
}, 60_000);

test("is not replaced twice within a minute, nor by whoever holds an older one", async () => {
  const before = readFileSync(keyFile, "utf8");
  const early = await rotate();
  expect([early.exit, early.stderr]).toEqual([1, expect.stringContaining("less than a minute ago")]);
  await aMinuteLater();
  expect((await rotate()).exit).toBe(0);
  const after = readFileSync(keyFile, "utf8");
  writeFileSync(keyFile, before, { mode: 0o600 });
  await aMinuteLater();
  const stale = await rotate();
  expect([stale.exit, stale.stderr]).toEqual([1, expect.stringContaining("newer context key")]);
  expect(existsSync(`${keyFile}.next`)).toBe(false);
  writeFileSync(keyFile, after, { mode: 0o600 });
  await works();
}, 60_000);

test("survives kill -9 of the command at any moment: everything works on, and the next run finishes it", async () => {
  const worker = await startWorker();
  const startedMs = systemClock();
  await aMinuteLater();
  expect((await rotate()).exit).toBe(0);
  const runMs = systemClock() - startedMs;
  for (const part of [0.7, 0.85, 0.95]) {
    await aMinuteLater();
    const child = spawnCli(["keys", "rotate-context", "--data", root], { stdio: "ignore" });
    const ended = new Promise((done) => child.once("exit", done));
    await delay(runMs * part);
    child.kill("SIGKILL");
    await ended;
    await works();
    await aMinuteLater();
    const finished = await rotate();
    expect([part, finished.exit, finished.stderr]).toEqual([part, 0, ""]);
    expect(existsSync(`${keyFile}.next`)).toBe(false);
    while (worker.kid() !== currentKid()) await delay(50);
  }
  expect((await worker.end()).failed).toEqual([]);
}, 120_000);

test("a notice sealed with the key before it is still understood", async () => {
  const { close, signer } = await followSigner(runtime(), silentLogger);
  const heard: unknown[] = [];
  const bus = await postgresBus({ target: data.target("ringwall_app"), signer, log: silentLogger });
  bus.subscribe((message) => heard.push(message));
  const sealed = signer.sealNotice(JSON.stringify(["session", tenant, "s1"]));
  await aMinuteLater();
  expect((await rotate()).exit).toBe(0);
  while (signer.kid !== currentKid()) await delay(50);
  await data.owner.query("select pg_notify('ringwall_invalidation', $1)", [sealed]);
  for (let tries = 0; heard.length === 0 && tries < 100; tries += 1) await delay(20);
  expect(heard).toEqual([{ kind: "session", tenant, id: "s1" }]);
  await bus.close();
  close();
}, 60_000);
