import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { silentLogger } from "./core/index.ts";
import { openInstallation } from "./installation.ts";

// An installation that is there is opened by `test/guides/embedding.test.ts`.

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "rw-installation-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const open = async (config: string) => {
  const configFile = join(folder, "ringwall.config.json");
  writeFileSync(configFile, config, { mode: 0o600 });
  return await openInstallation({ configFile, dataDir: folder, uid: process.getuid?.(), log: silentLogger });
};

test("what is missing is named, and no value of the configuration is repeated", async () => {
  await expect(open('{"mode":"development"}')).rejects.toMatchObject({
    code: "config.invalid",
    message: expect.stringContaining("does not run"),
  });
  await expect(open('{"mode":"hunter2"}')).rejects.toMatchObject({
    code: "config.invalid",
    message: expect.not.stringContaining("hunter2"),
  });
  const external = { kind: "postgres", host: "localhost" };
  await expect(open(JSON.stringify({ mode: "development", database: external }))).rejects.toMatchObject({
    code: "config.invalid",
    message: expect.stringContaining("context.key"),
  });
});
