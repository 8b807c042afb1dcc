import { chmod, mkdtemp, readdir, readFile, rename, rm, stat, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type Actor, PlainSecret } from "../../core/index.ts";
import { type SecretStore, secretKey } from "../../data/secrets/index.ts";
import { CONTRACT_TENANTS, secretStoreContract } from "../../testing/secrets/store-contract.ts";
import { fileSecretStore } from "./index.ts";

const [alpha] = CONTRACT_TENANTS;
const ACTOR: Actor = { type: "service", tenant: alpha, name: "bank" };
const uid = process.geteuid?.();

secretStoreContract(
  "files",
  async () => {
    const folder = await mkdtemp(join(tmpdir(), "ringwall-secrets-"));
    const open = () => fileSecretStore({ folder, uid });
    return {
      store: await open(),
      tenants: CONTRACT_TENANTS,
      actor: ACTOR,
      reopen: open,
      close: () => rm(folder, { recursive: true }),
    };
  },
  15,
);

describe("a secret in a file", () => {
  let folder: string;
  let store: SecretStore;
  const key = secretKey(alpha, "database/password");
  const file = () => join(folder, alpha, "database", "password.secret");
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "ringwall-secrets-"));
    store = await fileSecretStore({ folder, uid });
    await store.write(key, new PlainSecret("canary"), { actor: ACTOR });
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));
  const refused = async () => {
    const read = store.read(key, ACTOR);
    await expect(read).rejects.toMatchObject({ code: "secrets.denied" });
    await expect(read).rejects.not.toThrow("canary");
  };

  test("is the owner's alone, holds the value and nothing else, and leaves no draft behind", async () => {
    expect((await stat(file())).mode & 0o777).toBe(0o600);
    expect((await stat(join(folder, alpha))).mode & 0o777).toBe(0o700);
    expect(await readFile(file(), "utf8")).toBe("canary");
    await store.write(key, new PlainSecret("x"), { actor: ACTOR });
    await store.write(secretKey(alpha, "database/new"), new PlainSecret("x"), { actor: ACTOR, expected: null });
    expect((await readdir(join(folder, alpha, "database"))).sort()).toEqual(["new.secret", "password.secret"]);
  });

  test.each([0o640, 0o604, 0o660])("that others may read (%o) is refused", async (mode) => {
    await chmod(file(), mode);
    await refused();
  });

  test("is not read through a link, a link in its path, or a folder that others may enter", async () => {
    await rename(file(), join(folder, "elsewhere"));
    await symlink(join(folder, "elsewhere"), file());
    await refused();
    await rm(file());
    await rename(join(folder, "elsewhere"), file());
    await rename(join(folder, alpha), join(folder, "moved"));
    await symlink(join(folder, "moved"), join(folder, alpha));
    await refused();
    await rm(join(folder, alpha));
    await rename(join(folder, "moved"), join(folder, alpha));
    await chmod(join(folder, alpha, "database"), 0o755);
    await refused();
    await chmod(join(folder, alpha, "database"), 0o700);
    expect((await store.read(key, ACTOR))?.value.open()).toBe("canary");
  });

  test("put there by hand is read as it is, and not when it is too large or empty", async () => {
    await writeFile(file(), "by hand\n", { mode: 0o600 });
    expect((await store.read(key, ACTOR))?.value.open()).toBe("by hand\n");
    await writeFile(file(), "x".repeat(65_537));
    await refused();
    await writeFile(file(), "");
    await expect(store.read(key, ACTOR)).rejects.toMatchObject({ code: "secrets.invalid" });
  });

  test("is not kept in a folder that others may enter", async () => {
    await chmod(folder, 0o711);
    await expect(fileSecretStore({ folder, uid })).rejects.toMatchObject({ code: "config.invalid" });
    await refused();
  });
});
