import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { tenantId } from "../../core/index.ts";
import { testKeys } from "../../testing/keys.ts";
import { createFields, FIELD_BYTES_MAX, FIELD_OVERHEAD_BYTES, rowKeyCheck, sealedCheck } from "./index.ts";

const ALPHA = tenantId("alpha-bank");
const BETA = tenantId("beta-bank");
const ROW = "0198c1a0-0000-7000-8000-000000000001";
const KEY_KEEPER = { type: "system", capability: "keys.manage" } as const;
const REFUSED = { code: "keys.decrypt_failed", message: "The value could not be opened." };

/** Every field test holds with and without kept row keys: the cache must not be what refuses or accepts. */
describe.each([
  ["with kept row keys", 100],
  ["without kept row keys", 0],
])("sealed fields %s", (_name, rowKeysMax) => {
  const setup = async () => {
    const { keys, bus, store, time } = await testKeys();
    await keys.current(ALPHA, "data");
    await keys.current(BETA, "data");
    return { fields: createFields({ keys, rowKeysMax }), keys, bus, store, time };
  };

  test("open to what was sealed, whatever the text", async () => {
    const { fields } = await setup();
    await fc.assert(
      fc.asyncProperty(fc.dictionary(fc.string(), fc.string({ unit: "binary" }), { maxKeys: 6 }), async (drawn) => {
        const values = Object.fromEntries(
          Object.entries(drawn).filter(([column]) => column !== "" && column.isWellFormed()),
        );
        const { rowKey, sealed } = await fields.sealRow(ALPHA, { table: "customer", row: ROW, values });
        expect(rowKey).toHaveLength(98);
        for (const [column, value] of Object.entries(values)) {
          expect(sealed[column]?.length).toBe(Buffer.byteLength(value) + FIELD_OVERHEAD_BYTES);
        }
        const opened = await fields.openRow(ALPHA, { table: "customer", row: ROW, rowKey, sealed });
        expect({ ...opened }).toEqual(values);
      }),
    );
  });

  test("answer at once when the tenant's key is warm", async () => {
    const { fields } = await setup();
    const made = fields.sealRow(ALPHA, { table: "customer", row: ROW, values: { ssn: "123-45-6789" } });
    if (made instanceof Promise) throw new Error("a warm key gives no promise");
    const place = { table: "customer", row: ROW, column: "ssn", rowKey: made.rowKey };
    expect(fields.open(ALPHA, place, made.sealed.ssn)).toBe("123-45-6789");
    const changed = fields.seal(ALPHA, place, "987-65-4321");
    if (changed instanceof Promise) throw new Error("a warm key gives no promise");
    expect(fields.open(ALPHA, place, changed)).toBe("987-65-4321");
  });

  test("open in a process that has to load the key first", async () => {
    const { fields, bus } = await setup();
    const { rowKey, sealed } = await fields.sealRow(ALPHA, { table: "customer", row: ROW, values: { ssn: "1" } });
    bus.gap();
    expect({ ...(await fields.openRow(ALPHA, { table: "customer", row: ROW, rowKey, sealed })) }).toEqual({ ssn: "1" });
  });

  test("moved to any other tenant, table, column or row, or under another row's key, are refused in the same words", async () => {
    const { fields } = await setup();
    const places = [ALPHA, BETA].flatMap((tenant) =>
      ["customer", "customer_archive"].flatMap((table) => ["r1", "r2"].map((row) => ({ tenant, table, row }))),
    );
    const columns = ["ssn", "iban"] as const;
    const rows = await Promise.all(
      places.map(async (place) => ({
        ...place,
        // The same value everywhere, so that nothing but the place can make the difference.
        ...(await fields.sealRow(place.tenant, { ...place, values: { ssn: "same", iban: "same" } })),
      })),
    );
    let moves = 0;
    for (const from of rows) {
      for (const to of rows) {
        for (const fromColumn of columns) {
          for (const toColumn of columns) {
            for (const rowKey of [from.rowKey, to.rowKey]) {
              const open = async (): Promise<string> =>
                await fields.open(
                  to.tenant,
                  { table: to.table, row: to.row, column: toColumn, rowKey },
                  from.sealed[fromColumn],
                );
              if (from === to && fromColumn === toColumn) expect(await open()).toBe("same");
              else {
                moves += 1;
                await expect(open()).rejects.toMatchObject(REFUSED);
              }
            }
          }
        }
      }
    }
    expect(moves).toBe(480);
  });

  test("damaged in any way are refused in the same words, and never come back as they are", async () => {
    const { fields } = await setup();
    const { rowKey, sealed } = await fields.sealRow(ALPHA, { table: "t", row: ROW, values: { ssn: "123-45-6789" } });
    const place = { table: "t", row: ROW, column: "ssn" };
    const open = async (bytes: Buffer, record = rowKey): Promise<string> =>
      await fields.open(ALPHA, { ...place, rowKey: record }, bytes);
    for (const source of [sealed.ssn, rowKey]) {
      for (let bit = 0; bit < source.length * 8; bit += 1) {
        const changed = Buffer.from(source);
        changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7));
        const opened = source === rowKey ? open(sealed.ssn, changed) : open(changed);
        await expect(opened).rejects.toMatchObject(REFUSED);
      }
      for (let length = 0; length < source.length; length += 1) {
        const cut = source.subarray(0, length);
        await expect(source === rowKey ? open(sealed.ssn, cut) : open(cut)).rejects.toMatchObject(REFUSED);
      }
      const longer = Buffer.concat([source, Buffer.from([0])]);
      await expect(source === rowKey ? open(sealed.ssn, longer) : open(longer)).rejects.toMatchObject(REFUSED);
    }
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 200 }), async (bytes) => {
        await expect(open(Buffer.from(bytes))).rejects.toMatchObject(REFUSED);
      }),
    );
  });

  test("sealed before a rotation stay readable, and new rows use the new key", async () => {
    const { fields, keys } = await setup();
    const before = await fields.sealRow(ALPHA, { table: "t", row: "r1", values: { ssn: "old" } });
    await keys.rotate(ALPHA, "data", KEY_KEEPER);
    const after = await fields.sealRow(ALPHA, { table: "t", row: "r2", values: { ssn: "new" } });
    expect([before.rowKey.readUInt32BE(2), after.rowKey.readUInt32BE(2)]).toEqual([1, 2]);
    const place = { table: "t", row: "r1", column: "ssn", rowKey: before.rowKey };
    expect(await fields.open(ALPHA, place, before.sealed.ssn)).toBe("old");
  });

  test("are unreadable once the tenant's key is destroyed, in a warm process too", async () => {
    const { fields, store, bus } = await setup();
    const { rowKey, sealed } = await fields.sealRow(ALPHA, { table: "t", row: ROW, values: { ssn: "1" } });
    const place = { table: "t", row: ROW, column: "ssn", rowKey };
    expect(await fields.open(ALPHA, place, sealed.ssn)).toBe("1");
    const at = store.rows.findIndex((row) => row.tenant === ALPHA && row.purpose === "data");
    store.rows.splice(at, 1);
    bus.publish({ kind: "key", tenant: ALPHA, id: "data" });
    const open = async (): Promise<string> => await fields.open(ALPHA, place, sealed.ssn);
    await expect(open()).rejects.toMatchObject(REFUSED);
  });

  test("refuse what would not come back as it went in", async () => {
    const { fields } = await setup();
    const seal = (ssn: string) => () => fields.sealRow(ALPHA, { table: "t", row: ROW, values: { ssn } });
    expect(seal("\ud800")).toThrow("well-formed");
    expect(seal("a".repeat(FIELD_BYTES_MAX + 1))).toThrow("1 MiB");
    expect(() => fields.sealRow(ALPHA, { table: "t", row: "", values: {} })).toThrow("bound to a table and a row");
  });

  test("are never equal, though the values are", async () => {
    const { fields } = await setup();
    const seen = new Set<string>();
    for (let row = 0; row < 50; row += 1) {
      const { rowKey, sealed } = await fields.sealRow(ALPHA, {
        table: "t",
        row: `r${String(row)}`,
        values: { ssn: "same" },
      });
      seen.add(sealed.ssn.toString("hex")).add(rowKey.toString("hex"));
    }
    expect(seen.size).toBe(100);
  });
});

test("the CHECK texts are SQL for column names and for nothing else", () => {
  expect(sealedCheck("ssn")).toBe(
    "check (octet_length(ssn) between 32 and 1048608 and substring(ssn from 1 for 2) = '\\x0101'::bytea)",
  );
  expect(rowKeyCheck("row_key")).toContain("octet_length(row_key) = 98");
  for (const hostile of ["", "a b", "a;drop table x", 'a"', "A", "1a", "a".repeat(64)]) {
    expect(() => sealedCheck(hostile)).toThrow("column name");
    expect(() => rowKeyCheck(hostile)).toThrow("column name");
  }
});
