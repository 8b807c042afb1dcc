import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { freePort } from "../../src/testing/index.ts";
import { type HttpClient, httpClient } from "../faults/http.ts";
import { type RunningSystem, startSystem } from "../running-system.ts";
import { ringwall, start } from "./own-postgres.ts";

// A system with two banks is backed up while it serves; another one is made from the file, and is held against it.

let system: RunningSystem;
let folder: string;
let bank: HttpClient;
let noel: { readonly password: string; readonly account: string; readonly token: string; readonly number: string };
const backup = (): string => join(folder, "ringwall.tar");

beforeAll(async () => {
  system = await startSystem();
  folder = mkdtempSync(join(tmpdir(), "rw-backup-"));
  chmodSync(folder, 0o711);
  bank = httpClient({ port: system.bankPort });
  const lines = readFileSync(join(system.dataFolder, "first-run.txt"), "utf8").split("\n");
  const own = lines.slice(lines.findIndex((line) => line.includes("noel@northbank")) + 1);
  const value = (name: string): string =>
    own
      .find((line) => line.includes(name))
      ?.trim()
      .split(/\s+/)[1] ?? "";
  const [password, account] = [value("password"), value("account")];
  const token = await signIn(bank, password);
  noel = { password, account, token, number: (await look(bank, token, account)).number };
}, 120_000);

afterAll(async () => {
  bank.close();
  await system.stop();
  rmSync(folder, { recursive: true, force: true });
});

async function signIn(at: HttpClient, password: string): Promise<string> {
  const body = { tenant: "northbank", email: "noel@northbank.example", password };
  return (await at.json<{ token: string }>({ method: "POST", path: "/api/sign-in", body })).token;
}

async function look(at: HttpClient, token: string, account: string): Promise<{ number: string; balance: number }> {
  return await at.json({ method: "GET", path: `/api/accounts/${account}`, token });
}

describe("a backup", { timeout: 180_000 }, () => {
  test("is one private file, made while the system serves, and says that it is not encrypted", async () => {
    // A rotated password is in the store and in PostgreSQL alone: it has to survive too.
    const rotated = await ringwall(folder, [
      "secrets",
      "rotate",
      "bank/database-password",
      "--data",
      system.dataFolder,
    ]);
    expect(rotated.code, rotated.said).toBe(0);
    const made = await ringwall(folder, ["backup", "--out", "ringwall.tar", "--data", system.dataFolder]);
    expect([made.code, made.said]).toEqual([0, expect.stringContaining("is not encrypted: encrypt it")]);
    expect(statSync(backup()).mode & 0o777).toBe(0o600);
    const again = await ringwall(folder, ["backup", "--out", "ringwall.tar", "--data", system.dataFolder]);
    expect([again.code, again.said]).toEqual([1, expect.stringContaining("is not overwritten")]);
  });

  test("with one changed byte, or cut short, restores nothing and leaves nothing", async () => {
    const bytes = readFileSync(backup());
    for (const at of [700, Math.floor(bytes.length / 2), bytes.length - 1_600]) {
      const spoiled = Buffer.from(bytes);
      spoiled[at] = (spoiled[at] ?? 0) ^ 1;
      await refused(spoiled);
    }
    await refused(bytes.subarray(0, Math.floor(bytes.length / 2)));
    await refused(Buffer.from("no archive at all"));
  });

  test("restores into an empty directory only", async () => {
    const full = await ringwall(folder, ["restore", "ringwall.tar", "--data", system.dataFolder]);
    expect([full.code, full.said]).toEqual([1, expect.stringContaining("is not empty")]);
  });

  test("gives the same system: fields open, audit is whole, people sign in anew, ended sessions stay ended", async () => {
    const data = join(folder, "restored");
    const restored = await ringwall(folder, ["restore", "ringwall.tar", "--data", data]);
    expect([restored.code, restored.said]).toEqual([0, expect.stringContaining("sessions and links ended")]);
    const [port, bankPort] = [await freePort(), await freePort()];
    const running = await start(folder, ["--data", data, "--port", String(port), "--bank-port", String(bankPort)]);
    const other = httpClient({ port: bankPort });
    try {
      const call = { method: "GET", path: "/api/session" } as const;
      // Alive at the one that was backed up, dead at the one made from it.
      expect((await bank.send({ ...call, token: noel.token })).status).toBe(200);
      expect((await other.send({ ...call, token: noel.token })).status).toBe(401);
      const token = await signIn(other, noel.password);
      expect((await look(other, token, noel.account)).number).toBe(noel.number);
      expect((await look(other, token, noel.account)).balance).toBe(
        (await look(bank, noel.token, noel.account)).balance,
      );
      const verified = await ringwall(folder, ["audit", "verify", "--data", data]);
      expect([verified.code, verified.said]).toEqual([0, expect.stringContaining("the audit log is whole")]);
      const secrets = await ringwall(folder, ["secrets", "rotate", "bank/database-password", "--data", data]);
      expect([secrets.code, secrets.said]).toEqual([0, expect.stringContaining("version 3")]);
      expect((await look(other, token, noel.account)).number).toBe(noel.number);
    } finally {
      other.close();
      await running.stop();
    }
  });
});

async function refused(bytes: Buffer): Promise<void> {
  writeFileSync(join(folder, "spoiled.tar"), bytes, { mode: 0o600 });
  const spoiled = await ringwall(folder, ["restore", "spoiled.tar", "--data", join(folder, "none")]);
  expect([spoiled.code, spoiled.said]).toEqual([1, expect.stringContaining("is damaged; nothing was restored")]);
  expect(existsSync(join(folder, "none"))).toBe(false);
}
