import { spawnSync } from "node:child_process";
import { chmodSync, closeSync, mkdirSync, mkdtempSync, openSync, rmdirSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePort } from "ringwall/testing";
import { describe, expect, onTestFinished, test } from "vitest";
import { makeClient } from "../../client.ts";
import { CommandFailed } from "../../command.ts";
import { temporaryFolder } from "../../context.fixture.ts";
import { startRingwall } from "./start.fixture.ts";

/** A real full disk: a file system of some megabytes in memory. Undefined where this user may not mount one. */
function mount(folder: string, size: string): (() => void) | undefined {
  const options = ["-t", "tmpfs", "-o", `size=${size},mode=711`, "tmpfs", folder];
  if (spawnSync("mount", options, { stdio: "ignore" }).status !== 0) return undefined;
  return () => void spawnSync("umount", ["--lazy", folder], { stdio: "ignore" });
}

function mountMissing(): string | undefined {
  const folder = mkdtempSync(join(tmpdir(), "rw-mount-"));
  const unmount = mount(folder, "1m");
  unmount?.();
  rmdirSync(folder);
  return unmount === undefined ? "this user may not mount a file system in memory; run as root" : undefined;
}

function disk(size: string): string {
  const parent = temporaryFolder();
  // PostgreSQL runs as another account than root, and has to get into its folder.
  chmodSync(parent, 0o711);
  const folder = join(parent, "disk");
  mkdirSync(folder);
  const unmount = mount(folder, size);
  if (unmount === undefined) throw new Error("what could be mounted a moment ago cannot be any more");
  onTestFinished(unmount);
  return folder;
}

/** Takes all the space that is left, to the last block. */
function fill(file: string): void {
  const handle = openSync(file, "w");
  try {
    for (let size = 1_048_576; size >= 512; ) {
      try {
        if (writeSync(handle, Buffer.alloc(size)) < size) size /= 2;
      } catch {
        size /= 2;
      }
    }
  } finally {
    closeSync(handle);
  }
}

const missing = mountMissing();

describe.skipIf(missing !== undefined)(`a full disk${missing === undefined ? "" : ` (skipped: ${missing})`}`, () => {
  test.each(["8k", "1m", "100m"])("of %s is a refusal to start, with the reason and the way out", async (size) => {
    const port = String(await freePort());
    const { refused, err } = await startRingwall(["--data", join(disk(size), "data"), "--port", port, "--no-example"]);
    expect(refused).toBe(1);
    expect(err.join("\n")).toMatch(/disk .*is full|cannot be (?:used|written) \(ENOSPC\)/);
    expect(err.join("\n")).toMatch(/free some space|Free some space|--data DIR/);
  });

  test("while running is a 503, loses nothing that was acknowledged, and mends itself when there is space", async () => {
    const folder = disk("256m");
    const data = join(folder, "data");
    const filler = join(folder, "filler");
    const running = await startRingwall(["--data", data, "--port", String(await freePort()), "--no-example"]);
    expect(running.refused).toBeUndefined();
    const client = makeClient({ kind: "socket", path: join(data, "run", "admin.sock") }, new AbortController().signal);
    const made: string[] = [];
    const make = async (): Promise<unknown> => {
      const id = `tenant-${made.length}`;
      await client.request("POST", "/v1/tenants", { id, name: id });
      made.push(id);
      return undefined;
    };
    await make();
    fill(filler);
    let refusal: unknown;
    for (let attempt = 0; attempt < 5_000 && refusal === undefined; attempt += 1) {
      refusal = await make().catch((error: unknown) => error);
    }
    expect(refusal).toBeInstanceOf(CommandFailed);
    expect(refusal).toMatchObject({ code: "database.unavailable" });
    rmSync(filler);
    await expect
      .poll(async () => await make().catch((error: unknown) => String(error)), { timeout: 30_000 })
      .toBeUndefined();
    // What was acknowledged is there: none of it can be made again.
    for (const id of made) {
      const again = client.request("POST", "/v1/tenants", { id, name: id });
      await expect(again).rejects.toMatchObject({ code: "resource.conflict" });
    }
    expect(await running.stop()).toBe(0);
  }, 120_000);
});
