import { expect, test } from "vitest";
import { randomBytes, type TenantId } from "../../core/index.ts";
import type { KeyStore, WrappedKey } from "./store.ts";
import { KEY_KEEPER } from "./store.ts";

/** Every KeyStore must pass this. `tenant` gives a tenant of its own for each test. */
export function keyStoreContract(make: () => Promise<{ store: KeyStore; tenant: () => Promise<TenantId> }>): void {
  const wrappedKey = (tenant: TenantId, version: number): WrappedKey => ({
    tenant,
    purpose: "data",
    version,
    masterId: "software:0123456789abcdef01234567",
    wrapped: randomBytes(62),
    commitment: randomBytes(32),
  });

  test("gives back what was stored, newest first", async () => {
    const { store, tenant } = await make();
    const owner = await tenant();
    const first = wrappedKey(owner, 1);
    const second = wrappedKey(owner, 2);
    expect(await store.read(owner, "data")).toEqual([]);
    expect(await store.add(first, KEY_KEEPER)).toBe(true);
    expect(await store.add(second, KEY_KEEPER)).toBe(true);
    expect(await store.read(owner, "data")).toEqual([second, first]);
  });

  test("keeps the version that was there first", async () => {
    const { store, tenant } = await make();
    const owner = await tenant();
    const first = wrappedKey(owner, 1);
    expect(await store.add(first, KEY_KEEPER)).toBe(true);
    expect(await store.add(wrappedKey(owner, 1), KEY_KEEPER)).toBe(false);
    expect(await store.read(owner, "data")).toEqual([first]);
  });

  test("of many who store a version at once, one does", async () => {
    const { store, tenant } = await make();
    const owner = await tenant();
    const added = await Promise.all(Array.from({ length: 6 }, () => store.add(wrappedKey(owner, 1), KEY_KEEPER)));
    expect(added.filter(Boolean)).toHaveLength(1);
    expect(await store.read(owner, "data")).toHaveLength(1);
  });

  test("keeps tenants and purposes apart", async () => {
    const { store, tenant } = await make();
    const [one, other] = [await tenant(), await tenant()];
    await store.add(wrappedKey(one, 1), KEY_KEEPER);
    expect(await store.read(other, "data")).toEqual([]);
    expect(await store.read(one, "index")).toEqual([]);
  });
}
