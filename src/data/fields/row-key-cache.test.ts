import { expect, test } from "vitest";
import { tenantId } from "../../core/index.ts";
import { testKeys } from "../../testing/keys.ts";
import { mintRowKey } from "../keys/index.ts";
import { RowKeyCache } from "./row-key-cache.ts";

const ALPHA = tenantId("alpha-bank");
const BETA = tenantId("beta-bank");

test("row keys leave the cache with the tenant key they hang on, and others stay", async () => {
  const { bus, keys } = await testKeys();
  const cache = new RowKeyCache(100, keys);
  for (const tenant of [ALPHA, BETA]) {
    const kek = await keys.current(tenant, "data");
    for (const row of ["1", "2", "3"]) {
      const { record, rowKey } = mintRowKey(kek, { table: "t", row });
      cache.keep(rowKey, { table: "t", row }, record);
    }
  }
  expect(cache.size).toBe(6);
  bus.publish({ kind: "key", tenant: ALPHA, id: "data" });
  expect(cache.size).toBe(3);
  bus.gap();
  expect(cache.size).toBe(0);
});

test("holds no more than it is told to, and nothing at all with 0", async () => {
  const { keys } = await testKeys();
  const kek = await keys.current(ALPHA, "data");
  const [small, none] = [new RowKeyCache(2, keys), new RowKeyCache(0, keys)];
  for (let row = 0; row < 9; row += 1) {
    const place = { table: "t", row: String(row) };
    const { record, rowKey } = mintRowKey(kek, place);
    for (const cache of [small, none]) {
      cache.keep(rowKey, place, record);
      expect(cache.open(kek, { ...place, rowKey: record }).row).toBe(String(row));
    }
  }
  expect([small.size, none.size]).toEqual([2, 0]);
});
