import { existsSync } from "node:fs";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Ringwall } from "ringwall";
import { PLATFORM_TENANT } from "ringwall/core";
import type { Runtime } from "ringwall/supervised";
import type { TestDatabase } from "ringwall/testing";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { PASSWORD_SECRET, takeOverPassword } from "./password.ts";
import { bankDatabase, bankRingwall } from "./stage.fixture.ts";

const READER = { actor: { type: "service", tenant: PLATFORM_TENANT, name: "bank" } } as const;
const FILE = "bank_app.password";

let at: TestDatabase;
let ringwall: Ringwall;
let runtime: Runtime;
let path = "";

beforeAll(async () => {
  at = await bankDatabase();
  ({ ringwall } = await bankRingwall(at));
  const dataDir = await mkdtemp(join(tmpdir(), "rw-bank-"));
  await mkdir(join(dataDir, "secrets"), { mode: 0o700 });
  path = join(dataDir, "secrets", FILE);
  runtime = {
    configFile: "",
    dataDir,
    adminSocket: "",
    postgres: null,
    ports: { api: 0, bank: 0, gateway: null },
    uid: process.getuid?.(),
  };
});
afterAll(async () => {
  await ringwall.close();
  await at.close();
  await rm(runtime.dataDir, { recursive: true });
});
beforeEach(async () => {
  await writeFile(path, "first-password\n", { mode: 0o600 });
});

const stored = async (): Promise<string> => (await ringwall.secrets.getFresh(PASSWORD_SECRET, READER)).open();

test("the password moves into the secret store, and the file is gone", async () => {
  await takeOverPassword(ringwall.secrets, runtime, FILE);
  expect(await stored()).toBe("first-password");
  expect(existsSync(path)).toBe(false);
  // What a later rotation put there is not touched: there is no file any more.
  await takeOverPassword(ringwall.secrets, runtime, FILE);
  expect(await stored()).toBe("first-password");
});

test("killed after storing and before removing, the next start does it again, with the password in force by then", async () => {
  const secrets: Ringwall["secrets"] = {
    ...bound(ringwall.secrets),
    async set(name, value, options) {
      await ringwall.secrets.set(name, value, options);
      throw new TypeError("killed");
    },
  };
  await expect(takeOverPassword(secrets, runtime, FILE)).rejects.toThrow("killed");
  expect(existsSync(path)).toBe(true);
  await writeFile(path, "second-password\n", { mode: 0o600 });
  await takeOverPassword(ringwall.secrets, runtime, FILE);
  expect(await stored()).toBe("second-password");
  expect(existsSync(path)).toBe(false);
});

test("when the store does not take it, the file stays; a file that others may read is refused", async () => {
  const secrets: Ringwall["secrets"] = {
    ...bound(ringwall.secrets),
    set: async () => await Promise.reject(new TypeError("no store")),
  };
  await expect(takeOverPassword(secrets, runtime, FILE)).rejects.toThrow("no store");
  expect(existsSync(path)).toBe(true);
  await rm(path);
  await writeFile(path, "open-password\n", { mode: 0o644 });
  await expect(takeOverPassword(ringwall.secrets, runtime, FILE)).rejects.toMatchObject({ name: "RingwallError" });
  expect(existsSync(path)).toBe(true);
});

/** The same store as a plain object, so that one of its ways can be replaced. */
function bound(secrets: Ringwall["secrets"]): Ringwall["secrets"] {
  return {
    get: (name, scope) => secrets.get(name, scope),
    getFresh: async (name, scope) => await secrets.getFresh(name, scope),
    set: async (name, value, options) => await secrets.set(name, value, options),
    list: async (scope) => await secrets.list(scope),
    rotate: async (name, rotator, scope) => await secrets.rotate(name, rotator, scope),
    close: () => secrets.close(),
  };
}
