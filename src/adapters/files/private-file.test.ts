import { chmod, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { isMissingFile, readPrivateFile } from "./private-file.ts";

let folder = "";
let file = "";
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "ringwall-private-"));
  file = join(folder, "f");
  await writeFile(file, "two", { mode: 0o600 });
});
afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
});

test("a private file is read whole, up to a limit", async () => {
  expect(await readPrivateFile(file, { bytesMax: 3 })).toBe("two");
  await expect(readPrivateFile(file, { bytesMax: 2 })).rejects.toThrow(/larger than 2 bytes/u);
});

test("a secret is not read from a file that others can read, a folder, an endless device, a pipe or a link", async () => {
  const open = join(folder, "open");
  await writeFile(open, "hunter2");
  const link = join(folder, "link");
  await symlink(file, link);
  for (const mode of [0o640, 0o604, 0o620, 0o602]) {
    await chmod(open, mode);
    const refused = readPrivateFile(open, { bytesMax: 10 });
    await expect(refused).rejects.toMatchObject({
      code: "config.invalid",
      message: expect.stringMatching(/chmod 600/u),
    });
    await expect(refused).rejects.not.toThrow(/hunter2/u);
  }
  await expect(readPrivateFile(folder, { bytesMax: 10 })).rejects.toThrow(/not a regular file/u);
  await expect(readPrivateFile("/dev/zero", { bytesMax: 10 })).rejects.toThrow(/not a regular file/u);
  await expect(readPrivateFile(link, { bytesMax: 10 })).rejects.toThrow(/symbolic link/u);
});

test("a file that is not there is told from one that cannot be read", async () => {
  const missing: unknown = await readPrivateFile(join(folder, "none"), { bytesMax: 10 }).catch(
    (error: unknown) => error,
  );
  expect(missing).toMatchObject({ code: "config.invalid", message: expect.stringMatching(/ENOENT/u) });
  expect(isMissingFile(missing)).toBe(true);
  const other: unknown = await readPrivateFile(folder, { bytesMax: 10 }).catch((error: unknown) => error);
  expect(isMissingFile(other)).toBe(false);
});
