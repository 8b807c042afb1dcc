import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { readRuntime, readSecretFile, readSigner, targetOf } from "./supervised.ts";

const CHILD = join(import.meta.dirname, "testing", "supervised-child.ts");
const UID = process.getuid?.();

let folder = "";
let journal = "";
let next = 0;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "rw-supervised-"));
  await mkdir(join(folder, "secrets"), { mode: 0o700 });
});
afterAll(async () => {
  await rm(folder, { recursive: true });
});
beforeEach(() => {
  next += 1;
  journal = join(folder, `journal-${next}`);
});

async function file(name: string, content: unknown): Promise<string> {
  const path = join(folder, name);
  await writeFile(path, typeof content === "string" ? content : JSON.stringify(content), { mode: 0o600 });
  await chmod(path, 0o600);
  return path;
}

describe("the runtime file", () => {
  const runtime = (over: object = {}): object => ({
    configFile: join(folder, "config.json"),
    dataDir: folder,
    adminSocket: join(folder, "admin.sock"),
    postgres: { host: "/run/pg", port: 5_432, database: "ringwall" },
    ports: { api: 7_400, bank: null },
    ...over,
  });

  test("is read together with the configuration it names", async () => {
    await file("config.json", { mode: "development" });
    const read = await readRuntime(await file("runtime.json", runtime()), UID);
    expect(read.runtime).toMatchObject({ dataDir: folder, ports: { api: 7_400, bank: null }, uid: UID });
    expect(read.config).toMatchObject({ mode: "development", database: { kind: "embedded" } });
  });

  test("that lacks or distorts a field is refused by the field's name, and no value is told", async () => {
    await file("config.json", { mode: "development" });
    for (const [over, field] of [
      [{ dataDir: undefined }, "dataDir: is required"],
      [{ ports: { api: "s3cret-value", bank: null } }, "ports.api"],
      [{ ports: { api: 7_400 } }, "ports.bank: is required"],
      [{ postgres: { host: "h", port: 1.5, database: "d" } }, "postgres.port"],
    ] as const) {
      const path = await file("runtime.json", runtime(over));
      const refused: unknown = await readRuntime(path, UID).catch((error: unknown) => error);
      expect(refused).toMatchObject({ code: "config.invalid", message: expect.stringContaining(field) });
      expect(String(refused)).not.toContain("s3cret-value");
    }
  });

  test("that names a wrong configuration is refused by the configuration's field", async () => {
    const path = await file("runtime.json", runtime());
    for (const [config, field] of [
      [{}, "mode"],
      [{ mode: "s3cret-value" }, "mode"],
      [{ mode: "development", databse: {} }, "unknown field"],
      [{ mode: "development", identity: { session: { idleSeconds: 1 } } }, "identity.session.idleSeconds"],
    ] as const) {
      await file("config.json", config);
      const refused: unknown = await readRuntime(path, UID).catch((error: unknown) => error);
      expect(refused).toMatchObject({ code: "config.invalid", message: expect.stringContaining(field) });
      expect(String(refused)).not.toContain("s3cret-value");
    }
  });

  test("says where the database is; the password is read anew for each connection", async () => {
    await file("config.json", { mode: "development" });
    const { config, runtime: read } = await readRuntime(await file("runtime.json", runtime()), UID);
    const target = await targetOf(read, config, "ringwall_app");
    expect(target).toMatchObject({ host: "/run/pg", port: 5_432, database: "ringwall", user: "ringwall_app" });
    const path = await file("secrets/ringwall_app.password", "first\n");
    expect((await target.credential()).open()).toBe("first");
    await file("secrets/ringwall_app.password", "second\n");
    expect((await target.credential()).open()).toBe("second");
    await chmod(path, 0o644);
    await expect(target.credential()).rejects.toMatchObject({ code: "config.invalid" });
  });

  test("leads to secrets in private files alone, and to a signing key of the right form", async () => {
    await file("config.json", { mode: "development" });
    const { runtime: read } = await readRuntime(await file("runtime.json", runtime()), UID);
    await expect(readSecretFile(read, "missing.password")).rejects.toMatchObject({ code: "config.invalid" });
    await file("secrets/context.key", `k1:${Buffer.alloc(32, 7).toString("base64url")}\n`);
    expect((await readSigner(read)).kid).toBe("k1");
    for (const text of ["", "k1", `k1:${Buffer.alloc(31).toString("base64url")}`, `K1:${"A".repeat(43)}`]) {
      await file("secrets/context.key", text);
      const refused: unknown = await readSigner(read).catch((error: unknown) => error);
      expect([text, refused]).toEqual([text, expect.objectContaining({ code: "config.invalid" })]);
    }
  });
});

interface Child {
  readonly process: ChildProcess;
  /** What it said over IPC, in order. */
  readonly said: unknown[];
  readonly exited: Promise<unknown[]>;
}

function launch(how: string): Child {
  const child = spawn(process.execPath, ["--conditions=source", CHILD, how, journal], {
    stdio: ["ignore", "ignore", "ignore", "ipc"],
  });
  const said: unknown[] = [];
  child.on("message", (message) => said.push(message));
  return { process: child, said, exited: once(child, "exit") };
}

async function heard(child: Child): Promise<void> {
  if (child.said.length === 0) await once(child.process, "message");
}

async function notes(): Promise<string[]> {
  return existsSync(journal) ? (await readFile(journal, "utf8")).trim().split("\n") : [];
}

describe("a supervised process", () => {
  test("says that it is ready when it is, drains on SIGTERM and ends well", async () => {
    const child = launch("plain");
    await heard(child);
    expect(child.said).toEqual([{ ready: true }]);
    expect(await notes()).toEqual(["started"]);
    child.process.kill("SIGTERM");
    expect(await child.exited).toEqual([0, null]);
    expect(await notes()).toEqual(["started", "draining", "drained"]);
  });

  test("drains once, however often it is told, and whichever way", async () => {
    const child = launch("slow-stop");
    await heard(child);
    const draining = once(child.process, "message");
    child.process.kill("SIGTERM");
    expect(await draining).toEqual([{ draining: true }, undefined]);
    child.process.kill("SIGTERM");
    child.process.kill("SIGTERM");
    child.process.send("go");
    child.process.disconnect();
    expect(await child.exited).toEqual([0, null]);
    expect(await notes()).toEqual(["started", "draining", "drained"]);
  });

  test("ends when its supervisor is gone", async () => {
    const child = launch("plain");
    await heard(child);
    child.process.disconnect();
    expect(await child.exited).toEqual([0, null]);
    expect(await notes()).toEqual(["started", "draining", "drained"]);
  });

  test("told to end while it starts, it finishes starting and then drains: nothing is left half open", async () => {
    const child = launch("slow-start");
    await heard(child);
    child.process.kill("SIGTERM");
    child.process.send("go");
    expect(await child.exited).toEqual([0, null]);
    expect(await notes()).toEqual(["started", "draining", "drained"]);
  });

  test("says why it never will be ready, when starting again would not help, and not more than a terminal shows", async () => {
    const [child, long] = [launch("final"), launch("long")];
    expect(await Promise.all([child.exited, long.exited])).toEqual([
      [1, null],
      [1, null],
    ]);
    expect(child.said).toEqual([{ fatal: "the bank has no port" }]);
    expect(long.said).toEqual([{ fatal: "x".repeat(2_000) }]);
  });

  test("says nothing final of a fault that may pass, or of a bug; the log has it, and the exit code", async () => {
    const children = [launch("passing"), launch("broken")];
    for (const child of children) {
      expect(await child.exited).toEqual([1, null]);
      expect(child.said).toEqual([]);
    }
    expect(await notes()).toEqual(["the process cannot start", "the process cannot start"]);
  });

  test("whose stopping fails ends with a failure, not never", async () => {
    const child = launch("broken-stop");
    await heard(child);
    child.process.kill("SIGTERM");
    expect(await child.exited).toEqual([1, null]);
    expect(await notes()).toEqual(["started", "draining", "the process did not end well"]);
  });
});
