import { chmod, mkdtemp, readFile, rm, stat, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { fileErasureLedger } from "./index.ts";

let folder = "";
let file = "";
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "rw-ledger-"));
  file = join(folder, "kept", "erasures.jsonl");
});
afterEach(() => rm(folder, { recursive: true }));

async function all(path = file): Promise<string[]> {
  const lines: string[] = [];
  for await (const line of (await fileErasureLedger(path)).read()) lines.push(line);
  return lines;
}

test("gives back what was appended, in order, also when much was appended at once", async () => {
  expect(await all()).toEqual([]);
  const ledger = await fileErasureLedger(file);
  const lines = Array.from({ length: 50 }, (_, index) => `${String(index)}${"ä".repeat(3_000)}`);
  await Promise.all(lines.map((line) => ledger.append(line)));
  expect(await all()).toEqual(lines);
  expect((await stat(file)).mode & 0o777).toBe(0o600);
  expect((await stat(join(folder, "kept"))).mode & 0o777).toBe(0o700);
});

test("passes over a line that a crash cut off, and removes it with the next", async () => {
  const ledger = await fileErasureLedger(file);
  await ledger.append("whole");
  await writeFile(file, "whole\nhal");
  expect(await all()).toEqual(["whole"]);
  await ledger.append("next");
  expect(await readFile(file, "utf8")).toBe("whole\nnext\n");
  await writeFile(file, "only a torn line");
  await ledger.append("first");
  expect(await all()).toEqual(["first"]);
});

test("is refused where others may write, and not followed through a link", async () => {
  await (await fileErasureLedger(file)).append("one");
  await chmod(join(folder, "kept"), 0o777);
  await expect(fileErasureLedger(file)).rejects.toMatchObject({ code: "config.invalid" });
  await chmod(join(folder, "kept"), 0o700);
  const link = join(folder, "kept", "link.jsonl");
  await symlink(file, link);
  await expect((await fileErasureLedger(link)).append("two")).rejects.toThrow(/ELOOP/);
  await expect(all(link)).rejects.toThrow(/ELOOP/);
});

test("ends with an error instead of reading a line without an end", async () => {
  await (await fileErasureLedger(file)).append("one");
  await writeFile(file, "x".repeat(400_000));
  await expect(all()).rejects.toMatchObject({ code: "config.invalid" });
});
