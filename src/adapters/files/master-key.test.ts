import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { newMasterText } from "../../data/keys/index.ts";
import { openMasterKeyFile } from "./master-key.ts";

let folder = "";
let count = 0;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "ringwall-master-"));
});
afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
});

async function place(): Promise<string> {
  count += 1;
  const own = join(folder, String(count));
  await mkdir(own);
  return join(own, "master.key");
}

const DEVELOPMENT = { mode: "development", allowInProduction: false, mayCreate: true } as const;
const refusal = (pattern: RegExp) =>
  expect.objectContaining({ code: "keys.master_refused", message: expect.stringMatching(pattern) });

describe("the master key's file", () => {
  test("is made once, for its owner alone, and gives the same key ever after", async () => {
    const file = await place();
    const made = await openMasterKeyFile({ file, ...DEVELOPMENT });
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    expect((await openMasterKeyFile({ file, ...DEVELOPMENT })).id).toBe(made.id);
    expect(await readdir(join(file, ".."))).toEqual(["master.key"]);
    expect(made.id).not.toContain((await readFile(file, "utf8")).slice(-44, -1));
  });

  test("made by many at once is one key", async () => {
    const file = await place();
    const all = await Promise.all(Array.from({ length: 8 }, () => openMasterKeyFile({ file, ...DEVELOPMENT })));
    expect(new Set(all.map((master) => master.id)).size).toBe(1);
    expect(await readdir(join(file, ".."))).toEqual(["master.key"]);
  });

  test("is refused when anybody else can read or change it", async () => {
    const file = await place();
    await openMasterKeyFile({ file, ...DEVELOPMENT });
    for (const mode of [0o640, 0o604, 0o620, 0o602, 0o610, 0o601]) {
      await chmod(file, mode);
      await expect(openMasterKeyFile({ file, ...DEVELOPMENT })).rejects.toEqual(refusal(/chmod 600/u));
    }
    await chmod(file, 0o400);
    await openMasterKeyFile({ file, ...DEVELOPMENT });
  });

  test("is refused in production unless the configuration accepts it, and nothing is made then", async () => {
    const file = await place();
    const production = { file, mode: "production", mayCreate: true } as const;
    await expect(openMasterKeyFile({ ...production, allowInProduction: false })).rejects.toEqual(
      refusal(/allowInProduction/u),
    );
    expect(await readdir(join(file, ".."))).toEqual([]);
    await openMasterKeyFile({ ...production, allowInProduction: true });
  });

  test("is not made beside a database that has keys", async () => {
    const file = await place();
    await expect(openMasterKeyFile({ file, ...DEVELOPMENT, mayCreate: false })).rejects.toEqual(
      refusal(/restore the file/u),
    );
    expect(await readdir(join(file, ".."))).toEqual([]);
  });

  test("of another length, version or form is refused, and none of it is shown", async () => {
    const text = newMasterText();
    for (const spoiled of [
      "",
      "\n",
      text.slice(0, 40),
      `${text}${text}`,
      text.replace("-1:", "-2:"),
      "x".repeat(100_000),
      "\0".repeat(66),
    ]) {
      const file = await place();
      await writeFile(file, spoiled, { mode: 0o600 });
      const opened = openMasterKeyFile({ file, ...DEVELOPMENT });
      await expect(opened).rejects.toEqual(refusal(/master key file/u));
      await expect(opened).rejects.not.toThrow(text.slice(25, 40));
    }
  });

  test("is refused when it is a folder, belongs to another user, or has no folder to be in", async () => {
    const file = await place();
    await mkdir(file, { mode: 0o700 });
    await expect(openMasterKeyFile({ file, ...DEVELOPMENT })).rejects.toEqual(refusal(/not a regular file/u));
    const orphan = join(folder, "missing", "master.key");
    await expect(openMasterKeyFile({ file: orphan, ...DEVELOPMENT })).rejects.toEqual(refusal(/ENOENT/u));
    const owned = await place();
    await openMasterKeyFile({ file: owned, ...DEVELOPMENT });
    const owner = (await stat(owned)).uid;
    await openMasterKeyFile({ file: owned, ...DEVELOPMENT, uid: owner });
    const another = openMasterKeyFile({ file: owned, ...DEVELOPMENT, uid: owner + 1 });
    // Root owns it where the tests run as root, and root may.
    if (owner === 0) await another;
    else await expect(another).rejects.toEqual(refusal(/another user/u));
  });
});
