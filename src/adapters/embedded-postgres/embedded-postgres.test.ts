import { spawn } from "node:child_process";
import { once } from "node:events";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Client } from "pg";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { silentLogger } from "../../core/index.ts";
import { type EmbeddedPostgres, type EmbeddedPostgresOptions, startEmbeddedPostgres, stopAbandoned } from "./index.ts";

const FAST = { fsync: "off", full_page_writes: "off", shared_buffers: "16MB", max_connections: "10" };
const isRoot = process.getuid?.() === 0;

let folder = "";
let running: EmbeddedPostgres[] = [];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "rw-embedded-"));
  chmodSync(folder, 0o755);
});
afterEach(async () => {
  for (const server of running) await server.stop();
  running = [];
  rmSync(folder, { recursive: true, force: true });
});

async function start(options: Partial<EmbeddedPostgresOptions> = {}): Promise<EmbeddedPostgres> {
  const server = await startEmbeddedPostgres({
    dataDir: join(folder, "data"),
    settings: FAST,
    log: silentLogger,
    ...options,
  });
  running.push(server);
  return server;
}

async function query(server: EmbeddedPostgres, text: string, password = server.superuserPassword().open()) {
  const { host, port, superuser: user } = server;
  const client = new Client({ host, port, user, database: "postgres", password });
  await client.connect();
  try {
    return (await client.query<Record<string, unknown>>(text)).rows;
  } finally {
    await client.end();
  }
}

/** A Ringwall that is killed: starts a server in a process of its own, which then ends without a word. */
async function startAndDie(dataDir: string): Promise<number> {
  const program = `
    import { startEmbeddedPostgres } from "${new URL("./index.ts", import.meta.url).href}";
    const log = { info() {}, warn() {}, error() {} };
    const server = await startEmbeddedPostgres({ dataDir: process.argv[1], settings: ${JSON.stringify(FAST)}, log });
    process.stdout.write(String(server.pid), () => process.kill(process.pid, "SIGKILL"));`;
  const child = spawn(process.execPath, ["--conditions=source", "--input-type=module", "-e", program, dataDir], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const ended = once(child, "exit");
  let output = "";
  for await (const chunk of child.stdout) output += String(chunk);
  await ended;
  return Number(output);
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    // Where nobody reaps orphans a dead one stays as a zombie.
    return !/^\d+ \(.*\) Z/.test(readFileSync(`/proc/${pid}/stat`, "utf8"));
  } catch {
    return false;
  }
}

describe("a start", () => {
  test("creates the cluster, asks for a password on the socket, and listens nowhere else", async () => {
    const server = await start();
    expect(await query(server, "show listen_addresses")).toEqual([{ listen_addresses: "" }]);
    await expect(query(server, "select 1", "wrong")).rejects.toMatchObject({ code: "28P01" });
    expect(await query(server, "select distinct auth_method from pg_hba_file_rules")).toEqual([
      { auth_method: "scram-sha-256" },
    ]);
    expect(statSync(server.host).mode & 0o777).toBe(0o700);
    expect(statSync(join(folder, "data", "pgdata")).mode & 0o777).toBe(0o700);
    expect(statSync(join(folder, "data", "superuser.secret")).mode & 0o777).toBe(0o600);
    if (isRoot) expect(statSync(join(folder, "data", "pgdata")).uid).not.toBe(0);
  });

  test("again finds what was written", async () => {
    const first = await start();
    await query(first, "create table kept (id integer)");
    await first.stop();
    expect(isAlive(first.pid)).toBe(false);
    const second = await start();
    expect(await query(second, "select * from kept")).toEqual([]);
  });

  test("writes neither statements nor values to its log", async () => {
    const server = await start();
    await query(server, "select 'secret-in-a-statement'::integer").catch(() => {});
    await query(server, "create role x password 'secret-in-a-role' nonsense").catch(() => {});
    const log = readFileSync(join(folder, "data", "postgres.log"), "utf8");
    expect(log).toContain("ready to accept connections");
    expect(log).not.toContain("secret-in-a-role");
    expect(log).not.toContain("select 'secret");
  });

  test("cannot be talked out of its guards by settings", async () => {
    const server = await start({ settings: { ...FAST, listen_addresses: "*", log_statement: "all" } });
    expect(await query(server, "show listen_addresses")).toEqual([{ listen_addresses: "" }]);
    expect(await query(server, "show log_statement")).toEqual([{ log_statement: "none" }]);
  });

  test("below a path too long for a socket puts the socket elsewhere, and finds it again", async () => {
    const dataDir = join(folder, "d".repeat(90), "data");
    const first = await start({ dataDir });
    expect(first.host.length).toBeLessThan(90);
    expect(await query(first, "select 1 as one")).toEqual([{ one: 1 }]);
    await first.stop();
    const second = await start({ dataDir });
    expect(second.host).toBe(first.host);
    await second.stop();
    rmSync(first.host, { recursive: true, force: true });
  });
});

describe("after kill -9 of Ringwall", () => {
  test("the next start stops the orphan and takes its place", async () => {
    const orphan = await startAndDie(join(folder, "data"));
    expect(isAlive(orphan)).toBe(true);
    const server = await start();
    expect(isAlive(orphan)).toBe(false);
    expect(server.pid).not.toBe(orphan);
    expect(await query(server, "select 1 as one")).toEqual([{ one: 1 }]);
  });

  test("an abandoned server can be stopped without starting another; one in use cannot", async () => {
    const orphan = await startAndDie(join(folder, "data"));
    expect(await stopAbandoned(join(folder, "data"))).toBe(true);
    expect(isAlive(orphan)).toBe(false);
    const server = await start();
    expect(await stopAbandoned(join(folder, "data"))).toBe(false);
    expect(isAlive(server.pid)).toBe(true);
    expect(await stopAbandoned(join(folder, "nothing"))).toBe(false);
  });

  test("and of PostgreSQL, what the dead server left is no hindrance", async () => {
    const orphan = await startAndDie(join(folder, "data"));
    process.kill(orphan, "SIGKILL");
    expect(existsSync(join(folder, "data", "pgdata", "postmaster.pid"))).toBe(true);
    const server = await start();
    expect(await query(server, "select 1 as one")).toEqual([{ one: 1 }]);
  });

  test("in the middle of initdb the cluster is made anew", async () => {
    mkdirSync(join(folder, "data", "pgdata.unfinished", "base"), { recursive: true });
    writeFileSync(join(folder, "data", "initdb.secret"), "left behind");
    const server = await start();
    expect(await query(server, "select 1 as one")).toEqual([{ one: 1 }]);
    expect(readdirSync(join(folder, "data"))).not.toContain("initdb.secret");
  });
});

describe("a start is refused, with the reason and the way out,", () => {
  test("on a folder that another Ringwall uses, which goes on undisturbed", async () => {
    const server = await start();
    await expect(start()).rejects.toMatchObject({ code: "config.invalid", message: expect.stringContaining("in use") });
    expect(await query(server, "select 1 as one")).toEqual([{ one: 1 }]);
  });

  test("on a cluster of another major version, and without its superuser's secret", async () => {
    const server = await start();
    await server.stop();
    const data = join(folder, "data");
    writeFileSync(join(data, "pgdata", "PG_VERSION"), "15\n");
    await expect(start()).rejects.toMatchObject({ code: "config.invalid", message: expect.stringContaining("15") });
    writeFileSync(join(data, "pgdata", "PG_VERSION"), "18\n");
    rmSync(join(data, "superuser.secret"));
    await expect(start()).rejects.toMatchObject({ message: expect.stringContaining("superuser.secret") });
  });

  test("on a folder that is no cluster", async () => {
    mkdirSync(join(folder, "data", "pgdata"), { recursive: true });
    await expect(start()).rejects.toMatchObject({ code: "config.invalid", message: expect.stringContaining("choose") });
  });

  test("when the server itself says no, with what it said; nothing stays claimed", async () => {
    await expect(start({ settings: { ...FAST, shared_buffers: "no size" } })).rejects.toMatchObject({
      code: "config.invalid",
      message: expect.stringContaining("shared_buffers"),
    });
    await expect(start()).resolves.toBeDefined();
  });

  test.runIf(isRoot)("below a folder the account cannot enter", async () => {
    const closed = join(folder, "closed");
    mkdirSync(closed, { mode: 0o700 });
    await expect(start({ dataDir: join(closed, "data") })).rejects.toMatchObject({
      code: "config.invalid",
      message: expect.stringContaining(closed),
    });
  });

  test.runIf(isRoot)("for an account that does not exist", async () => {
    await expect(start({ runAs: "nobody-of-that-name" })).rejects.toMatchObject({
      message: expect.stringContaining("nobody-of-that-name"),
    });
  });
});
