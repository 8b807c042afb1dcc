import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { tenantId } from "../../core/index.ts";
import { testKeys } from "../../testing/keys.ts";
import { createFields, parseSealedText, sealed, sealedTable, sealedText } from "./index.ts";
import { PADDED_BYTES_MIN, paddedBytes } from "./padded.ts";

const ALPHA = tenantId("alpha-bank");
const BETA = tenantId("beta-bank");
const KEY_KEEPER = { type: "system", capability: "keys.manage" } as const;
const REFUSED = { code: "keys.decrypt_failed", message: "The value could not be opened." };
const ROW = "0198c1a0-0000-7000-8000-000000000001";
const PERSON = sealedTable(
  "shop.person",
  { row: "person_id", rows: 4_096 },
  sealed("ssn").equality({ normaliser: "digits" }).lastFour(),
  sealed("email").nullable().equality({ normaliser: "text", unique: true }).domain({ valueBits: 3 }),
  sealed("note").hideNull().padded(64),
  sealed("memo").nullable().asText(),
);
const VALUES = { ssn: "123-45-6789", email: "Ann@Example.com", note: null, memo: "m" };

async function people() {
  const { keys, store, bus } = await testKeys();
  for (const tenant of [ALPHA, BETA])
    for (const purpose of ["data", "index"] as const) await keys.current(tenant, purpose);
  return { keys, store, bus, rows: createFields({ keys }).table(PERSON) };
}
const text = fc.string({ unit: "binary", maxLength: 200 }).filter((value) => value.isWellFormed());

describe("rows of a declared table", () => {
  test("come back as they went in, whatever the texts and the NULLs", async () => {
    const { rows } = await people();
    const values = fc.record({
      ssn: text,
      email: fc.option(text),
      note: fc.option(text),
      memo: fc.option(text),
    });
    await fc.assert(
      fc.asyncProperty(values, async (drawn) => {
        const stored = await rows.seal(ALPHA, ROW, drawn);
        expect({ ...(await rows.open(ALPHA, stored)) }).toEqual(drawn);
      }),
    );
  });

  test("are typed by their declaration, and sealed at once when the keys are warm", async () => {
    const { rows } = await people();
    const stored = rows.seal(ALPHA, ROW, VALUES);
    if (stored instanceof Promise) throw new Error("warm keys give no promise");
    const { person_id: id, row_key: key, ssn, ssn_eq: tag, email_domain: domain, memo, note } = stored;
    const typed: [string, Buffer, Buffer, Buffer | null, Buffer | null, string | null, Buffer | string | null] = [
      id,
      key,
      ssn,
      tag,
      domain,
      memo,
      note,
    ];
    expect(typed[0]).toBe(ROW);
    expect(memo).toMatch(/^rw1\.[A-Za-z0-9_-]+$/);
    // What is selected is what is opened, and nothing else.
    const part = await rows.open(ALPHA, { person_id: id, row_key: key, ssn });
    const value: string = part.ssn;
    expect([value, Object.keys(part)]).toEqual([VALUES.ssn, ["ssn"]]);
  });

  test("a NULL stays NULL, or cannot be told from a value, as declared", async () => {
    const { rows } = await people();
    const empty = await rows.seal(ALPHA, ROW, { ...VALUES, email: null, memo: null });
    expect([empty.email, empty.email_eq, empty.email_domain, empty.memo]).toEqual([null, null, null, null]);
    for (const note of ["", "x".repeat(62), "é".repeat(31)]) {
      const filled = await rows.seal(ALPHA, ROW, { ...VALUES, note });
      expect(filled.note).toHaveLength(empty.note?.length ?? 0);
    }
    const { note: longer } = await rows.seal(ALPHA, ROW, { ...VALUES, note: "x".repeat(63) });
    expect(longer).toHaveLength(128 + 32);
    // A plain NULL where NULLs are hidden was put there by somebody else.
    const planted = async () => await rows.open(ALPHA, { ...empty, note: null });
    await expect(planted()).rejects.toMatchObject(REFUSED);
    const missing = { ...VALUES, ssn: null } as unknown as typeof VALUES;
    expect(() => rows.seal(ALPHA, ROW, missing)).toThrow("never NULL");
  });

  test("a hidden NULL has tags like a value's", async () => {
    const { keys } = await testKeys();
    const table = sealedTable("t.t", { row: "id", rows: 4_096 }, sealed("a").hideNull().equality());
    const rows = createFields({ keys }).table(table);
    const tags = await Promise.all(
      Array.from({ length: 20 }, async () => (await rows.seal(ALPHA, ROW, { a: null })).a_eq),
    );
    expect(new Set(tags.map((tag) => tag?.length))).toEqual(new Set([4]));
    expect(new Set(tags.map((tag) => tag?.toString("hex"))).size).toBeGreaterThan(10);
  });

  test("a page needs each key version once, however many rows it has", async () => {
    const { keys, store, bus, rows } = await people();
    const sealMany = (from: number) =>
      rows.sealMany(
        ALPHA,
        Array.from({ length: 30 }, (_, at) => ({ row: `r${String(from + at)}`, values: VALUES })),
      );
    const first = await sealMany(0);
    await keys.rotate(ALPHA, "data", KEY_KEEPER);
    const page = [...first, ...(await sealMany(30))];
    bus.gap();
    const before = store.reads;
    const opened = await rows.openMany(ALPHA, page);
    expect(opened).toHaveLength(60);
    expect(store.reads - before).toBe(1);
    for (const one of opened) expect({ ...one }).toEqual(VALUES);
    expect(await rows.openMany(ALPHA, [])).toEqual([]);
  });

  test("a change keeps the row key and makes the tags anew", async () => {
    const { rows } = await people();
    const stored = await rows.seal(ALPHA, ROW, VALUES);
    const changed = await rows.change(ALPHA, stored, { ssn: "000-00-0001" });
    expect(Object.keys(changed).toSorted()).toEqual(["ssn", "ssn_eq", "ssn_last4"]);
    // Tags of two values may be one, by design; those of one value always are.
    const fresh = await rows.seal(ALPHA, ROW, { ...VALUES, ssn: "000-00-0001" });
    expect(changed).toMatchObject({ ssn_eq: fresh.ssn_eq, ssn_last4: fresh.ssn_last4 });
    expect({ ...(await rows.open(ALPHA, { ...stored, ...changed })) }).toEqual({ ...VALUES, ssn: "000-00-0001" });
  });

  test("moved, swapped or planted cells are refused in the same words, and nothing passes through", async () => {
    const { rows } = await people();
    const mine = await rows.seal(ALPHA, "r1", { ...VALUES, note: "n" });
    const other = await rows.seal(ALPHA, "r2", { ...VALUES, note: "n" });
    const foreign = await rows.seal(BETA, "r1", { ...VALUES, note: "n" });
    const planted = [
      ...(["ssn", "email", "note", "memo"] as const).flatMap((column) => [
        { ...mine, [column]: other[column] },
        { ...mine, [column]: foreign[column] },
      ]),
      { ...mine, ssn: mine.email },
      { ...mine, ssn: null },
      { ...mine, memo: "plain text" },
      { ...mine, memo: Buffer.from("plain") },
      { ...mine, ssn: "123-45-6789" },
      { ...mine, row_key: other.row_key },
      { ...mine, row_key: Buffer.alloc(98, 1) },
      { ...mine, row_key: null },
      { ...mine, person_id: "r2" },
    ];
    for (const row of planted) {
      const open = async () => await rows.open(ALPHA, row as typeof mine);
      await expect(open(), JSON.stringify(Object.keys(row))).rejects.toMatchObject(REFUSED);
    }
    await expect((async () => await rows.open(BETA, mine))()).rejects.toMatchObject(REFUSED);
  });

  test("every bit of a padded field counts, and so does its type", async () => {
    const { rows } = await people();
    const stored = await rows.seal(ALPHA, ROW, { ...VALUES, note: "note" });
    const note = stored.note as Buffer;
    for (let bit = 0; bit < note.length * 8; bit += 1) {
      const changed = Buffer.from(note);
      changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      const open = async () => await rows.open(ALPHA, { ...stored, note: changed });
      await expect(open()).rejects.toMatchObject(REFUSED);
    }
  });
});

describe("the text form", () => {
  const bytes = fc.uint8Array({ minLength: 30, maxLength: 300 }).map((rest) => Buffer.from([1, 1, ...rest]));

  test("has one spelling for each sealed value", () => {
    fc.assert(
      fc.property(bytes, (sealedBytes) => {
        const written = sealedText(sealedBytes);
        expect(parseSealedText(written)).toEqual(sealedBytes);
        for (const other of [`${written}=`, `${written}A`, ` ${written}`, `${written}\n`, written.slice(0, -1)]) {
          let back: Buffer | undefined;
          try {
            back = parseSealedText(other);
          } catch (error) {
            expect(error).toMatchObject(REFUSED);
          }
          // Another text may be another value's only spelling, never this one's.
          if (back !== undefined) expect(sealedText(back)).toBe(other);
        }
      }),
    );
  });

  test("refuses everything else in the same words", () => {
    const good = sealedText(Buffer.concat([Buffer.from([1, 1, 1, 1]), Buffer.alloc(29, 7)]));
    expect(parseSealedText(good)).toHaveLength(33);
    const spare = sealedText(Buffer.concat([Buffer.from([1, 1, 1, 1]), Buffer.alloc(28, 0)]));
    for (const bad of [
      "",
      "123-45-6789",
      "rw1.",
      good.replace("rw1.", "rw2."),
      good.replace("rw1.", "RW1."),
      good.replace("AQ", "Ag"),
      good.replace("AQE", "AQI"),
      `${good.slice(0, -2)}+/`,
      // The last character carries bits beyond the last byte: these spell the same bytes again.
      `${spare.slice(0, -1)}B`,
      `rw1.${"A".repeat(2_000_000)}`,
    ]) {
      expect(() => parseSealedText(bad)).toThrow(expect.objectContaining(REFUSED));
    }
    fc.assert(
      fc.property(fc.string({ unit: "binary", maxLength: 100 }), (anything) => {
        expect(() => parseSealedText(anything)).toThrow(expect.objectContaining(REFUSED));
      }),
    );
  });
});

test("while rows are tagged anew a search asks for the old tags as they were cut, too", async () => {
  const { keys } = await testKeys();
  const fields = createFields({ keys });
  const older = sealedTable("t.t", { row: "id", rows: 256 }, sealed("a").equality({ normaliser: "text" }));
  const newer = sealedTable(
    "t.t",
    { row: "id", rows: 65_536 },
    sealed("a").equality({ normaliser: "id", version: 2, previous: { version: 1, bits: 7, normaliser: "text" } }),
  );
  const stored = [
    await fields.table(older).seal(ALPHA, "r1", { a: "Ann 1" }),
    await fields.table(newer).seal(ALPHA, "r2", { a: "ann1" }),
  ];
  const rows = fields.table(newer);
  const search = await rows.search(ALPHA, "a_eq", "ANN 1");
  expect(search.tags.map((tag) => tag[0])).toEqual([2, 1]);
  for (const { a_eq: tag } of stored) expect(search.tags.some((one) => tag?.equals(one) === true)).toBe(true);
  expect(await rows.matching(ALPHA, search, stored)).toHaveLength(2);
  const backwards = sealed("a").equality({ previous: { version: 2, bits: 7 } });
  expect(() => sealedTable("t.t", { row: "id", rows: 256 }, backwards)).toThrow("lower one");
});

test("lengths are padded to the next power of two", () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 70_000 }), (length) => {
      const padded = paddedBytes(length, PADDED_BYTES_MIN);
      expect(Number.isInteger(Math.log2(padded))).toBe(true);
      expect(padded).toBeGreaterThanOrEqual(Math.max(16, length + 2));
      expect(padded === 16 || padded < 2 * (length + 2)).toBe(true);
    }),
  );
});

test("a declaration that cannot be kept is refused where it stands", () => {
  const table = (...columns: Parameters<typeof sealedTable>[2][]) =>
    sealedTable("t.t", { row: "id", rows: 100 }, ...columns);
  expect(() => sealed("a b")).toThrow("plain name");
  expect(() => sealed("constructor")).toThrow("plain name");
  expect(() => sealed("a").nullable().hideNull()).toThrow("shows its NULLs or hides them");
  expect(() => sealed("a").padded(24)).toThrow("power of two");
  expect(() => sealed("a").equality().equality()).toThrow("one index of a kind");
  expect(() => sealed("a").equality({ unique: true, partitions: 4 })).toThrow("no partitions");
  expect(() => table(sealed("a"), sealed("a"))).toThrow("one name");
  expect(() => table(sealed("a").equality(), sealed("a_eq"))).toThrow("one name");
  expect(() => sealedTable("t", { row: "id" }, sealed("a"))).toThrow("with its schema");
  expect(() => sealedTable("t.t", { row: "id" }, sealed("a").equality())).toThrow("how many rows");
  expect(() => sealedTable("t.t", { row: "id", rows: 15 }, sealed("a").equality())).toThrow("fewer than 16");
  expect(() => table(sealed("a").equality({ bits: 6 }))).toThrow("2 is the least");
});
