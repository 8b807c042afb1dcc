import { expect, test } from "vitest";
import { RingwallError, tenantId } from "../../core/index.ts";
import { testKeys } from "../../testing/keys.ts";
import { KEY_KEEPER } from "../keys/index.ts";
import { createFields } from "./index.ts";

const TENANTS = ["alpha-bank", "beta-bank", "gamma-bank"].map(tenantId);
const TABLES = ["shop.customer", "shop.customer_archive"];
const COLUMNS = ["ssn", "iban", "note"] as const;

test("no field opens in another tenant, table, column, row or key version: 0 of more than 10,000 moves", async () => {
  const { keys } = await testKeys();
  const fields = createFields({ keys });
  // The same value everywhere, so that nothing but the place can make the difference.
  const values = { ssn: "same", iban: "same", note: "same" };
  const fieldsOf = async (version: number) =>
    await Promise.all(
      TENANTS.flatMap((tenant) =>
        TABLES.flatMap((table) =>
          ["r1", "r2"].map(async (row) => {
            // The same rows once more under the next version of the tenant's key: an older copy of each, too.
            const { rowKey, sealed } = await fields.sealRow(tenant, { table, row, values });
            expect(rowKey.readUInt32BE(2)).toBe(version);
            return COLUMNS.map((column) => ({ tenant, table, row, column, rowKey, sealed: sealed[column] }));
          }),
        ),
      ),
    );
  const first = await fieldsOf(1);
  for (const tenant of TENANTS) await keys.rotate(tenant, "data", KEY_KEEPER);
  const all = [...first, ...(await fieldsOf(2))].flat();
  let [moves, accepted, own] = [0, 0, 0];
  for (const from of all) {
    for (const to of all) {
      for (const rowKey of new Set([from.rowKey, to.rowKey])) {
        const isOwn = from === to;
        const opened = await (async () => {
          try {
            return await fields.open(to.tenant, { ...to, rowKey }, from.sealed);
          } catch (error) {
            if (!(error instanceof RingwallError) || error.code !== "keys.decrypt_failed") throw error;
            return undefined;
          }
        })();
        // The very row's older field beside its own row key is that row as it was: a rollback, which no seal can see.
        const { column, row, table, tenant } = to;
        const isSamePlace =
          from.tenant === tenant && from.table === table && from.row === row && from.column === column;
        if (isOwn || (isSamePlace && rowKey === from.rowKey)) {
          expect(opened).toBe("same");
          own += 1;
          continue;
        }
        moves += 1;
        if (opened !== undefined) accepted += 1;
      }
    }
  }
  expect(own).toBe(all.length * 2);
  expect(moves).toBeGreaterThan(10_000);
  expect(accepted).toBe(0);
});
