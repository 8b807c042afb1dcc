import { generateKeyPairSync } from "node:crypto";
import { appendFile, chmod, mkdtemp, readFile, rm, stat, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as fc from "fast-check";
import { afterEach, beforeEach, expect, test } from "vitest";
import { isoTime, tenantId } from "../../core/index.ts";
import { formatHead, headSigner, type SignedHead, signHead } from "../../monitoring/audit/index.ts";
import { fileHeadStore } from "./audit-heads.ts";
import { createAuditKeyFile, readAuditKeyFile } from "./audit-key.ts";

const A = tenantId("bank-a");
const B = tenantId("bank-b");
const signer = headSigner(
  generateKeyPairSync("ed25519").privateKey.export({ type: "pkcs8", format: "pem" }).toString(),
);

let folder = "";
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "ringwall-heads-"));
});
afterEach(async () => {
  await rm(folder, { recursive: true, force: true });
});

function head(size: number, tenant = A, fill = size): SignedHead {
  return signHead(signer, { tenant, size, hash: Buffer.alloc(32, fill) }, isoTime(1_780_000_000_000));
}

async function sizes(tenant = A): Promise<number[]> {
  const store = await fileHeadStore(folder);
  const found: number[] = [];
  for await (const { size } of store.read(tenant)) found.push(size);
  return found;
}

test("heads are read back in order, and by another process", async () => {
  const store = await fileHeadStore(folder);
  await store.append([head(1), head(3), head(2, B)]);
  await store.append([head(4)]);
  expect(await sizes()).toEqual([1, 3, 4]);
  expect(await (await fileHeadStore(folder)).last(A)).toEqual(head(4));
  const tenants: string[] = [];
  for await (const tenant of store.tenants()) tenants.push(tenant);
  expect(tenants).toEqual([A, B]);
  expect(await store.last(tenantId("bank-c"))).toBeUndefined();
});

test("files are closed to others, and an open folder is refused", async () => {
  const store = await fileHeadStore(folder);
  await store.append([head(1)]);
  expect((await stat(join(folder, "bank-a.jsonl"))).mode & 0o777).toBe(0o600);
  await chmod(folder, 0o777);
  await expect(fileHeadStore(folder)).rejects.toMatchObject({ code: "config.invalid" });
});

test("the same head twice is one line, and a second head of one size is a fork", async () => {
  const store = await fileHeadStore(folder);
  await store.append([head(1), head(2)]);
  await store.append([head(2)]);
  await store.append([head(1)]);
  expect(await sizes()).toEqual([1, 2]);
  await expect(store.append([head(2, A, 99)])).rejects.toMatchObject({ code: "audit.unavailable" });
});

test("a crash at any byte of a write loses that head only, and the next write repairs the file", async () => {
  const path = join(folder, "bank-a.jsonl");
  const store = await fileHeadStore(folder);
  await store.append([head(1), head(2)]);
  const whole = (await readFile(path)).length;
  await store.append([head(3)]);
  const after = await readFile(path);
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: whole, max: after.length - 1 }), async (cut) => {
      await writeFile(path, after);
      await truncate(path, cut);
      expect(await sizes()).toEqual([1, 2]);
      expect((await store.last(A))?.size).toBe(2);
      await store.append([head(4)]);
      expect(await sizes()).toEqual([1, 2, 4]);
    }),
    { numRuns: 40 },
  );
});

test("an older head that a paused process wrote late hides none of the newer ones", async () => {
  const store = await fileHeadStore(folder);
  await store.append([head(1), head(5)]);
  await appendFile(join(folder, "bank-a.jsonl"), `${formatHead(head(3))}\n`);
  expect((await store.last(A))?.size).toBe(5);
  expect(await sizes()).toEqual([1, 5]);
  await store.append([head(6)]);
  expect(await sizes()).toEqual([1, 5, 6]);
});

test("a line that is no head is tampering, wherever it stands", async () => {
  const store = await fileHeadStore(folder);
  await store.append([head(1)]);
  await appendFile(join(folder, "bank-a.jsonl"), "junk\n");
  await expect(sizes()).rejects.toMatchObject({ code: "audit.unavailable" });
  await expect(store.last(A)).rejects.toMatchObject({ code: "audit.unavailable" });
  await expect(store.append([head(2)])).rejects.toMatchObject({ code: "audit.unavailable" });
});

test("another tenant's copy is not taken for this one's", async () => {
  const store = await fileHeadStore(folder);
  await store.append([head(5, B)]);
  await writeFile(join(folder, "bank-a.jsonl"), await readFile(join(folder, "bank-b.jsonl")));
  await expect(sizes()).rejects.toMatchObject({ code: "audit.unavailable" });
  await expect(store.last(A)).rejects.toMatchObject({ code: "audit.unavailable" });
});

test("more heads than fit one read are all read", async () => {
  const store = await fileHeadStore(folder);
  await store.append(Array.from({ length: 1_000 }, (_, index) => head(index + 1)));
  expect(await sizes()).toEqual(Array.from({ length: 1_000 }, (_, index) => index + 1));
});

test("the signing key is made once, closed to others, and refused when it is not", async () => {
  const path = join(folder, "audit.key");
  await createAuditKeyFile(path);
  expect((await stat(path)).mode & 0o777).toBe(0o600);
  const made = headSigner(await readAuditKeyFile(path));
  expect(made.keyId).toMatch(/^[0-9a-f]{16}$/);
  await expect(createAuditKeyFile(path)).rejects.toMatchObject({ code: "config.invalid" });
  expect(headSigner(await readAuditKeyFile(path)).keyId).toBe(made.keyId);
  await chmod(path, 0o640);
  await expect(readAuditKeyFile(path)).rejects.toMatchObject({ code: "config.invalid" });
  await expect(readAuditKeyFile(join(folder, "none"))).rejects.toMatchObject({ code: "config.invalid" });
});

test("a key file that holds something else does not show it", () => {
  expect(() => headSigner("-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----")).toThrow(
    expect.objectContaining({ code: "config.invalid", message: "the audit signing key is not a PEM private key" }),
  );
});
