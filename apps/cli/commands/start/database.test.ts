import { chmodSync, existsSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { PlainSecret } from "ringwall/core";
import { afterEach, expect, test } from "vitest";
import { CommandFailed } from "../../command.ts";
import { recorded, temporaryFolder } from "../../context.fixture.ts";
import { type DataPaths, prepareDataDirectory } from "../../data-directory.ts";
import { run } from "../../run.ts";
import { commands } from "../index.ts";
import { asOwner } from "../owner-connection.ts";
import { embeddedDatabase } from "./database.ts";
import { writeRuntime } from "./runtime.ts";
import type { Running } from "./supervise.ts";

const uid = process.geteuid?.() ?? -1;
const never = new AbortController().signal;
const running: Running[] = [];
afterEach(async () => {
  for (const one of running.splice(0)) await one.stop();
});

// One installation, started again by each test: creating a cluster is the slow part.
const paths = prepare();

function prepare(): DataPaths {
  const folder = temporaryFolder();
  // Started by root, PostgreSQL runs as another account, which has to get there.
  chmodSync(folder, 0o711);
  return prepareDataDirectory(join(folder, "data"), uid);
}

async function start(
  applications: readonly string[] = [],
): Promise<{ place: ReturnType<ReturnType<typeof embeddedDatabase>["place"]>; said: string[] }> {
  const said: string[] = [];
  const database = embeddedDatabase({ paths, uid, say: (line) => void said.push(line), applications });
  running.push(await database.service.start(never));
  return { place: database.place(), said };
}

async function stop(): Promise<void> {
  await running.pop()?.stop();
}

function password(role: string): () => Promise<PlainSecret> {
  const text = readFileSync(join(paths.secrets, `${role}.password`), "utf8").trim();
  return async () => await Promise.resolve(new PlainSecret(text));
}

test("a first start makes roles, secrets and schema; a second finds them and changes nothing", async () => {
  const first = await start();
  expect(first.said.join()).toContain("migrated (0001_tenants");
  const names = readdirSync(paths.secrets);
  expect(names).toEqual(expect.arrayContaining(["context.key", "ringwall_app.password", "bank_app.password"]));
  for (const name of names) expect(statSync(join(paths.secrets, name)).mode & 0o777).toBe(0o600);
  const secrets = names.map((name) => readFileSync(join(paths.secrets, name), "utf8"));
  await stop();
  const second = await start();
  expect(second.said).toEqual([]);
  expect(names.map((name) => readFileSync(join(paths.secrets, name), "utf8"))).toEqual(secrets);
  for (const role of ["ringwall_app", "ringwall_worker", "bank_app"]) {
    await asOwner({ ...second.place, user: role, credential: password(role) }, async (db) => {
      const rows = await db
        .withTables<{ pg_user: { usename: string; usesuper: boolean } }>()
        .selectFrom("pg_user")
        .select("usesuper")
        .where("usename", "=", role)
        .execute();
      expect(rows).toEqual([{ usesuper: false }]);
    });
  }
});

test("the example's first password is not set again once it was handed over", async () => {
  const first = password("bank_app");
  // As after the hand-over into the secret store.
  rmSync(join(paths.secrets, "bank_app.password"));
  const { place } = await start();
  expect(existsSync(join(paths.secrets, "bank_app.password"))).toBe(false);
  await asOwner({ ...place, user: "bank_app", credential: first }, async (db) => {
    await db.withTables<{ pg_user: { usename: string } }>().selectFrom("pg_user").select("usename").execute();
  });
});

test("a PostgreSQL that was killed can be started again, with its data", async () => {
  await start();
  const [killed] = running.splice(0);
  killed?.kill();
  await killed?.exited;
  expect((await start()).said).toEqual([]);
});

test("a context key that others can read is a final failure with a way out, and PostgreSQL is stopped again", async () => {
  chmodSync(join(paths.secrets, "context.key"), 0o644);
  const attempt = start();
  await expect(attempt).rejects.toBeInstanceOf(CommandFailed);
  await expect(attempt).rejects.toThrow(/context\.key can be read by others/);
  expect(existsSync(join(paths.postgres, "pgdata", "postmaster.pid"))).toBe(false);
  chmodSync(join(paths.secrets, "context.key"), 0o600);
});

test("a host application's migrations run after Ringwall's own, once", async () => {
  const bank = fileURLToPath(new URL("../../../../examples/bank/migrations/index.ts", import.meta.url));
  expect((await start([bank])).said.join()).toContain(
    "migrated (application/0001_bank, application/0002_sealed_tables, application/0003_national_id)",
  );
  await stop();
  expect((await start([bank])).said).toEqual([]);
});

test("a module that exports no migrations is a final failure that says what it lacks", async () => {
  const module = join(paths.root, "..", "empty.mjs");
  writeFileSync(module, "export const OTHER = 1;");
  const attempt = start([module]);
  await expect(attempt).rejects.toBeInstanceOf(CommandFailed);
  await expect(attempt).rejects.toThrow(/empty\.mjs: MIGRATIONS is missing/);
});

test("migrate and doctor find the embedded PostgreSQL while it runs", async () => {
  const { place } = await start();
  const config = join(paths.root, "ringwall.config.json");
  const { context, out } = recorded({ cwd: paths.root });
  expect(await run(commands, ["init", "--mode", "development", "--file", config], context)).toBe(0);
  writeRuntime(join(paths.run, "runtime.json"), {
    configFile: config,
    dataDir: paths.root,
    adminSocket: paths.adminSocket,
    postgres: place,
    ports: { api: 17_400, bank: null, gateway: null },
  });
  expect(await run(commands, ["migrate", "--data", paths.root], context)).toBe(0);
  expect(out.at(-1)).toBe("nothing to do: the schema is up to date");
  await run(commands, ["doctor", "--data", paths.root, "--port", "17400", "--bank-port", "17490"], context);
  expect(out.join("\n")).toContain("schema fits");
});
