import { inspect } from "node:util";
import * as fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Actor, PlainSecret, randomToken, type TenantId, tenantId } from "../../core/index.ts";
import { SECRET_BYTES_MAX, type SecretStore, secretKey } from "../../data/secrets/index.ts";

/** A store as the contract sees it. */
export interface SecretStoreUnderTest {
  readonly store: SecretStore;
  /** Two tenants that the store knows, where it has to know them. */
  readonly tenants: readonly [TenantId, TenantId];
  readonly actor: Actor;
  /** The same store, opened once more, as by another process. */
  reopen(): Promise<SecretStore>;
  /** Takes the store away, and gives it back. Left out where it cannot be gone. */
  readonly outage?: { begin(): Promise<void>; end(): Promise<void>; readonly code: string };
  close(): Promise<void>;
}

const HOSTILE = ["", "..", ".", "a/b", "a\0b", "A", "é", "%2e%2e", "a b", "a".repeat(10_000), "-\n", "*", "+", "$x"];

/**
 * What every `SecretStore` must do.
 * @param runs - Cases for each property: fewer where each is a call over the network.
 */
export function secretStoreContract(name: string, make: () => Promise<SecretStoreUnderTest>, runs = 50): void {
  describe(`the secret store contract: ${name}`, () => {
    let subject: SecretStoreUnderTest;
    let store: SecretStore;
    beforeAll(async () => {
      subject = await make();
      ({ store } = subject);
    });
    afterAll(async () => {
      await subject?.close();
    });
    let count = 0;
    const fresh = (tenant = subject.tenants[0]) => secretKey(tenant, `contract/s${String((count += 1))}`);
    const read = async (key: ReturnType<typeof fresh>, from = store) =>
      (await from.read(key, subject.actor))?.value.open();
    const write = async (key: ReturnType<typeof fresh>, text: string, expected?: string | null): Promise<string> =>
      await store.write(key, new PlainSecret(text), {
        actor: subject.actor,
        ...(expected === undefined ? {} : { expected }),
      });

    test("gives nothing for what is not there, and afterwards what was written, to another process too", async () => {
      const key = fresh();
      expect(await store.read(key, subject.actor)).toBeUndefined();
      const version = await write(key, "first");
      expect(await store.read(key, subject.actor)).toMatchObject({ version, expiresMs: null });
      expect(await read(key, await subject.reopen())).toBe("first");
    });

    test("gives values back byte for byte, up to their limit", async () => {
      const key = fresh();
      const text = fc.string({ unit: "binary", minLength: 1, maxLength: 500 }).map((drawn) => drawn.toWellFormed());
      const lines = fc.constantFrom(
        "a\n",
        "\r\n",
        " a ",
        "\ufeffa",
        "\0",
        "{}",
        "null",
        "[secret]",
        "=",
        "ä".repeat(32_768),
      );
      await fc.assert(
        fc.asyncProperty(fc.oneof(text, lines), async (value) => {
          await write(key, value);
          expect(await read(key)).toBe(value);
        }),
        { numRuns: runs },
      );
      const most = "x".repeat(SECRET_BYTES_MAX);
      await write(key, most);
      expect((await read(key)) === most).toBe(true);
    });

    test.each([
      ["nothing", ""],
      ["too much", "x".repeat(SECRET_BYTES_MAX + 1)],
      ["half a pair", "a\ud800"],
    ])("refuses %s as a value", async (_case, value) => {
      const key = fresh();
      await expect(write(key, value)).rejects.toMatchObject({ code: "secrets.invalid" });
      expect(await store.read(key, subject.actor)).toBeUndefined();
    });

    test("has another version after each write, and the same one until then", async () => {
      const key = fresh();
      const versions = [await write(key, "same"), await write(key, "same"), await write(key, "same")];
      expect(new Set(versions).size).toBe(3);
      expect((await store.read(key, subject.actor))?.version).toBe(versions[2]);
      expect((await store.read(key, subject.actor))?.version).toBe(versions[2]);
    });

    test("writes over the expected version only", async () => {
      const key = fresh();
      await expect(write(key, "x", "1")).rejects.toMatchObject({ code: "resource.conflict" });
      const first = await write(key, "first", null);
      await expect(write(key, "x", null)).rejects.toMatchObject({ code: "resource.conflict" });
      const second = await write(key, "second", first);
      await expect(write(key, "x", first)).rejects.toMatchObject({ code: "resource.conflict" });
      await expect(write(key, "x", "no version of any store")).rejects.toMatchObject({ code: "resource.conflict" });
      expect(await store.read(key, subject.actor)).toMatchObject({ version: second });
      expect(await read(key)).toBe("second");
    });

    test("lets one of ten writers make it, and one of ten replace it", async () => {
      const key = fresh();
      const race = async (expected: string | null) => {
        const all = await Promise.allSettled(
          Array.from({ length: 10 }, (_, turn) => write(key, `turn-${String(turn)}`, expected)),
        );
        const won = all.flatMap((one, turn) => (one.status === "fulfilled" ? [{ turn, version: one.value }] : []));
        const lost = all.flatMap((one) => (one.status === "rejected" ? [one.reason as { code: string }] : []));
        expect(won).toHaveLength(1);
        expect(lost.map(({ code }) => code)).toEqual(Array<string>(9).fill("resource.conflict"));
        expect(await read(key)).toBe(`turn-${String(won[0]?.turn)}`);
        return won[0]?.version ?? null;
      };
      await race(await race(null));
    });

    test("keeps tenants, names and beginnings of names apart", async () => {
      const [alpha, beta] = subject.tenants;
      const keys = [
        ...["p", "p/a", "p/a/b", "p-a", "p_a", "pa", "a/p"].map((one) => secretKey(alpha, `apart/${one}`)),
        secretKey(beta, "apart/p"),
        secretKey(alpha, Array<string>(8).fill("x".repeat(30)).join("/")),
      ];
      for (const [at, key] of keys.entries()) await write(key, `value-${String(at)}`);
      for (const [at, key] of keys.entries()) expect(await read(key)).toBe(`value-${String(at)}`);
      expect(await store.read(secretKey(beta, "apart/p/a"), subject.actor)).toBeUndefined();
    });

    test("refuses hostile keys, also from who made one by hand", async () => {
      const [tenant] = subject.tenants;
      const keys = [
        ...HOSTILE.map((segment) => ({ tenant, segments: [segment] })),
        ...HOSTILE.map((segment) => ({ tenant, segments: ["a", segment] })),
        ...HOSTILE.map((segment) => ({ tenant: segment as TenantId, segments: ["a"] })),
        { tenant, segments: [] },
        { tenant, segments: Array<string>(9).fill("a") },
      ];
      for (const key of keys) {
        await expect(store.read(key, subject.actor)).rejects.toMatchObject({ code: "secrets.invalid" });
        await expect(write(key, "x")).rejects.toMatchObject({ code: "secrets.invalid" });
      }
    });

    test("shows no value: not printed, and not in an error", async () => {
      const key = fresh();
      const canary = `canary-${randomToken()}`;
      await write(key, canary);
      const refused: unknown = await write(key, `${canary}-2`, "stale").catch((error: unknown) => error);
      const seen = [await store.read(key, subject.actor), store, refused];
      expect(seen.map((one) => inspect(one, { depth: 12, showHidden: true })).join("\n")).not.toContain(canary);
      expect(JSON.stringify(seen[0])).not.toContain(canary);
    });

    test("gone is an outage, not a missing secret, and comes back", async () => {
      const { outage } = subject;
      if (outage === undefined) return;
      const key = fresh();
      await write(key, "kept");
      await outage.begin();
      try {
        await expect(store.read(key, subject.actor)).rejects.toMatchObject({ code: outage.code });
        await expect(write(key, "x")).rejects.toMatchObject({ code: outage.code });
      } finally {
        await outage.end();
      }
      expect(await read(key)).toBe("kept");
    });
  });
}

/** Two tenants for stores that need not know them. */
export const CONTRACT_TENANTS: readonly [TenantId, TenantId] = [tenantId("alpha-bank"), tenantId("beta-bank")];
