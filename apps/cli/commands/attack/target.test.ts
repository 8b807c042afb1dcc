import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { recorded, temporaryFolder } from "../../context.fixture.ts";
import { findTarget } from "./target.ts";

/** A data directory whose supervisor wrote these files. Nothing listens there. */
function dataFolder(config: object | undefined, mode = 0o600): string {
  const root = temporaryFolder();
  const run = join(root, "run");
  mkdirSync(run);
  const configFile = join(run, "config.json");
  const runtime = { configFile, dataDir: root, adminSocket: join(run, "admin.sock"), ports: { api: 1, bank: null } };
  writeFileSync(join(run, "runtime.json"), JSON.stringify(runtime), { mode: 0o600 });
  if (config !== undefined) writeFileSync(configFile, JSON.stringify(config), { mode });
  return root;
}

const { uid } = recorded().context.machine;

test("a production system is never attacked, nor one that does not say what it is", async () => {
  for (const config of [{ mode: "production" }, { mode: "Development" }]) {
    await expect(findTarget(dataFolder(config), uid)).rejects.toThrow("not a development system");
  }
  await expect(findTarget(dataFolder({}), uid)).rejects.toThrow("has a form this command does not know");
  await expect(findTarget(dataFolder(undefined), uid)).rejects.toThrow("cannot be read");
});

test("what others could have written is not believed", async () => {
  await expect(findTarget(dataFolder({ mode: "development" }, 0o666), uid)).rejects.toThrow("can be read by others");
});

test("a development system that does not run, or never did, is told as such", async () => {
  await expect(findTarget(dataFolder({ mode: "development" }), uid)).rejects.toThrow("no Ringwall runs");
  await expect(findTarget(temporaryFolder(), uid)).rejects.toThrow("no Ringwall runs");
});
