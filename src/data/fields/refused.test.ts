import { describe, expect, test } from "vitest";
import { RingwallError, tenantId } from "../../core/index.ts";
import { testKeys } from "../../testing/keys.ts";
import { listeningRecorder } from "../../testing/recorder.ts";
import { KEY_KEEPER, ROW_KEY_BYTES } from "../keys/index.ts";
import { createFields, sealed, sealedTable } from "./index.ts";

const ALPHA = tenantId("alpha-bank");
const BETA = tenantId("beta-bank");
const PERSON = sealedTable("shop.person", { row: "person_id" }, sealed("ssn"), sealed("memo").nullable());
const VALUES = { ssn: "123-45-6789", memo: "a memo" };

async function stage() {
  const { bus, keys, store } = await testKeys();
  const recorder = listeningRecorder();
  for (const tenant of [ALPHA, BETA]) await keys.current(tenant, "data");
  const fields = createFields({ keys, recorder });
  return { bus, keys, store, recorder, fields, people: fields.table(PERSON) };
}

/** The error of what has to fail. */
async function refusal(work: () => unknown): Promise<RingwallError> {
  try {
    await work();
  } catch (error) {
    if (error instanceof RingwallError) return error;
    throw error;
  }
  throw new Error("it was opened");
}

describe("a row of a declared table that does not open", () => {
  test("is one error, and a note for the audit that names tenant, row, column and key, whatever was done to it", async () => {
    const { people, recorder } = await stage();
    const mine = await people.seal(ALPHA, "row-1", VALUES);
    const other = await people.seal(ALPHA, "row-2", VALUES);
    const theirs = await people.seal(BETA, "row-1", VALUES);
    const flipped = Buffer.from(mine.ssn);
    flipped.writeUInt8(flipped.readUInt8(20) ^ 1, 20);
    const renewed = Buffer.from(mine.ssn);
    renewed.writeUInt8(9, 0);
    const otherVersion = Buffer.from(mine.row_key);
    otherVersion.writeUInt32BE(7, 2);
    const bad: readonly (readonly [string, object, string, number])[] = [
      ["cut short", { ...mine, ssn: mine.ssn.subarray(0, -1) }, "ssn", 1],
      ["longer", { ...mine, ssn: Buffer.concat([mine.ssn, Buffer.of(0)]) }, "ssn", 1],
      ["a bit changed", { ...mine, ssn: flipped }, "ssn", 1],
      ["another version", { ...mine, ssn: renewed }, "ssn", 1],
      ["plaintext", { ...mine, ssn: Buffer.from("123-45-6789") }, "ssn", 1],
      ["another column's", { ...mine, memo: mine.ssn }, "memo", 1],
      ["another row's", { ...mine, memo: other.memo }, "memo", 1],
      ["another tenant's", { ...mine, ssn: theirs.ssn }, "ssn", 1],
      ["another row's key", { ...mine, row_key: other.row_key }, "", 1],
      ["another tenant's key", { ...mine, row_key: theirs.row_key }, "", 1],
      ["a key of a version that is not there", { ...mine, row_key: otherVersion }, "", 7],
      ["no key", { ...mine, row_key: null }, "", 0],
    ];
    for (const [name, found, column, keyVersion] of bad) {
      recorder.events.length = 0;
      const error = await refusal(async () => await people.open(ALPHA, found as typeof mine));
      const place = { tenant: ALPHA, table: "shop.person", row: "row-1", column, keyVersion, erased: false };
      expect([error.code, error.message, error.detail], name).toEqual([
        "keys.decrypt_failed",
        "The value could not be opened.",
        place,
      ]);
      expect(recorder.events, name).toEqual([
        {
          action: "field.refused",
          outcome: "error",
          tenant: ALPHA,
          actor: { type: "system", capability: "fields.open" },
          targets: [{ type: "shop.person", id: "row-1" }],
          facts: { column, keyVersion, erased: false },
        },
      ]);
    }
  });

  test("because it was erased says so to the log and the audit, and the same as all others to who asks", async () => {
    const { people, recorder } = await stage();
    const mine = await people.seal(ALPHA, "row-1", VALUES);
    const error = await refusal(
      async () => await people.open(ALPHA, { ...mine, row_key: Buffer.alloc(ROW_KEY_BYTES) }),
    );
    expect([error.code, error.message]).toEqual(["keys.decrypt_failed", "The value could not be opened."]);
    expect(error.detail).toMatchObject({ row: "row-1", column: "", erased: true });
    expect(recorder.events).toMatchObject([{ action: "field.refused", facts: { erased: true, keyVersion: 0 } }]);
  });

  test("because its tenant was erased says so, too", async () => {
    const { bus, people, recorder, store } = await stage();
    const mine = await people.seal(ALPHA, "row-1", VALUES);
    const at = store.rows.findIndex(({ tenant }) => tenant === ALPHA);
    const key = store.rows[at];
    if (key === undefined) throw new Error("the key is there");
    store.rows[at] = { ...key, wrapped: Buffer.alloc(0), state: "destroyed" };
    bus.gap();
    const error = await refusal(async () => await people.open(ALPHA, mine));
    expect(error.detail).toMatchObject({ tenant: ALPHA, row: "row-1", keyVersion: 1, erased: true });
    expect(recorder.events).toMatchObject([{ facts: { erased: true, keyVersion: 1 } }]);
  });
});

test("a lost key says which key and which rows, and prints neither a key nor a value", async () => {
  const { bus, fields, keys, people, recorder, store } = await stage();
  const old = await Promise.all(["row-1", "row-2"].map(async (row) => await people.seal(ALPHA, row, VALUES)));
  await keys.rotate(ALPHA, "data", KEY_KEEPER);
  const young = await people.seal(ALPHA, "row-3", VALUES);
  const lost = store.rows.findIndex(({ tenant, version }) => tenant === ALPHA && version === 1);
  const [key] = store.rows.splice(lost, 1);
  bus.gap();
  for (const stored of old) {
    const error = await refusal(async () => await people.open(ALPHA, stored));
    expect(error.detail).toMatchObject({ tenant: ALPHA, table: "shop.person", row: stored.person_id, keyVersion: 1 });
    const place = { table: "shop.person", row: stored.person_id, column: "ssn", rowKey: stored.row_key };
    expect((await refusal(async () => await fields.open(ALPHA, place, stored.ssn))).detail).toMatchObject({
      keyVersion: 1,
    });
    const said = JSON.stringify([error, error.detail, error.message, error.stack]);
    for (const secret of [key?.wrapped, stored.row_key, stored.ssn]) {
      for (const form of ["hex", "base64", "base64url"] as const) {
        expect(said).not.toContain((secret ?? Buffer.alloc(0)).toString(form));
      }
    }
    expect(said).not.toContain(VALUES.ssn);
  }
  // Rows of the key that is there are nobody's trouble.
  expect({ ...(await people.open(ALPHA, young)) }).toEqual(VALUES);
  expect(new Set(recorder.events.map(({ facts, targets }) => `${targets?.[0]?.id} ${facts?.["keyVersion"]}`))).toEqual(
    new Set(["row-1 1", "row-2 1"]),
  );
});
