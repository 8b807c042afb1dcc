import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { tenantId } from "../../core/index.ts";
import { testKeys } from "../../testing/keys.ts";
import {
  checkIndex,
  type IndexSpec,
  measureLeakage,
  NORMALISER_NAMES,
  normalise,
  normaliserId,
  planIndexes,
  randomTag,
  shareAlone,
  tagOf,
  tagsFor,
} from "./index.ts";

const ALPHA = tenantId("alpha-bank");
const BETA = tenantId("beta-bank");
const SPEC: IndexSpec = {
  table: "bank.customer",
  column: "ssn",
  index: "eq",
  normaliser: "exact",
  bits: 128,
  partitions: 1,
  version: 1,
};
const text = fc.string({ unit: "binary" }).filter((value) => value.isWellFormed());
const hex = (tags: readonly Buffer[]): string[] => tags.map((tag) => tag.toString("hex"));

async function indexKeys() {
  const { keys } = await testKeys();
  return { keys, alpha: await keys.current(ALPHA, "index"), beta: await keys.current(BETA, "index") };
}

/** What host names are made of, and what their readers take apart. */
const hostLike = fc
  .array(fc.constantFrom(".", "。", "%2e", "%", "@", "a", "B", "1", "0x1", "xn--", "ß", "[", ":", "/", "ü"), {
    maxLength: 8,
  })
  .map((parts) => parts.join(""));

describe("normalisers", () => {
  test.each(NORMALISER_NAMES)("%s gives what is already normal back as it is", (name) => {
    fc.assert(
      fc.property(fc.oneof(text, fc.emailAddress(), fc.string({ unit: "grapheme" }), hostLike), (value) => {
        const once = normalise(name, value);
        if (once !== undefined) expect(normalise(name, once)).toBe(once);
      }),
      { numRuns: 300 },
    );
  });

  test("every single character of Unicode is normal after one pass", () => {
    for (const name of NORMALISER_NAMES) {
      for (let point = 0; point < 0x10_000; point += 1) {
        if (point >= 0xd800 && point < 0xe000) continue;
        const once = normalise(name, `a${String.fromCodePoint(point)}Σ`);
        if (once !== undefined && normalise(name, once) !== once) throw new Error(`${name} U+${point.toString(16)}`);
      }
    }
  });

  test.each([
    ["text", "  ＡＮＮ Ångström ", "ann ångström"],
    ["text", "ΟΔΥΣΣΕΥΣ", "οδυσσευσ"],
    ["id", "19850412-0057/X", "198504120057x"],
    ["digits", "+46 (0)8 123", "4608123"],
    ["digits", "no number", undefined],
    ["domain", "ann@Example.COM..", "example.com"],
    ["domain", "ann@example.com。", "example.com"],
    ["domain", "ann@example.com%2e%2E", "example.com"],
    ["domain", "ann@x.1..", undefined],
    ["domain", "...", undefined],
    ["last4", "123-45-6789", "6789"],
    ["last4", "678", undefined],
    ["domain", "Ann@Example.COM.", "example.com"],
    ["domain", "ann@bücher.example", "xn--bcher-kva.example"],
    ["domain", "", undefined],
    ["exact", " A ", " A "],
    ["exact", "", undefined],
  ] as const)("%s of %j is %j", (name, value, expected) => {
    expect(normalise(name, value)).toBe(expected);
  });

  test("half a surrogate pair is no text, and is not looked for", () => {
    expect(() => normalise("exact", "\ud800")).toThrow("well-formed");
  });

  test("names carry a version, because tags are made of what they do", () => {
    for (const name of NORMALISER_NAMES) expect(normaliserId(name)).toMatch(new RegExp(`^${name}\\.v\\d+$`));
  });
});

describe("tags", () => {
  test("of different tenants, tables, columns, indexes, normalisers and versions have nothing in common", async () => {
    const { keys, alpha, beta } = await indexKeys();
    await keys.rotate(ALPHA, "index", { type: "system", capability: "keys.manage" });
    const rotated = await keys.current(ALPHA, "index");
    const variants = [
      ...[alpha, beta, rotated].map((key) => ({ key, spec: SPEC })),
      ...[
        { table: "bank.account" },
        { column: "ssn2" },
        { index: "other" },
        { normaliser: "text" as const },
        { version: 2 },
        // Joined with a separator these would be one and the same.
        { table: "bank.customerssn", column: "eq" },
        { table: "bank.customer|ssn", column: "eq", index: "eq" },
      ].map((over) => ({ key: alpha, spec: { ...SPEC, ...over } })),
    ];
    const values = ["a", "b", "6789", "b|c"];
    const tags = variants.flatMap(({ key, spec }) =>
      values.map((value) => tagOf(key, spec, value)?.subarray(2).toString("hex")),
    );
    expect(new Set(tags).size).toBe(variants.length * values.length);
  });

  test("of equal values are equal, and of others only as often as chance has it", async () => {
    const { alpha, beta } = await indexKeys();
    const spec = { ...SPEC, bits: 12 };
    const values = Array.from({ length: 4_000 }, (_, at) => `value ${String(at)}`);
    let across = 0;
    for (const value of values) {
      expect(tagOf(alpha, spec, value)).toEqual(tagOf(alpha, spec, value));
      if (tagOf(alpha, spec, value)?.equals(tagOf(beta, spec, value) ?? Buffer.alloc(0)) === true) across += 1;
    }
    // Expected 4,000 / 4,096; twelve has a probability below 10^-9.
    expect(across).toBeLessThan(12);
    const distinct = new Set(hex(values.map((value) => tagOf(alpha, spec, value) ?? Buffer.alloc(0)))).size;
    // 4,096 (1 - e^(-4000/4096)) = 2,553, with a deviation of about 22.
    expect(Math.abs(distinct - 2_553)).toBeLessThan(150);
  });

  test("hold exactly the planned bits, and the versions in front", async () => {
    const { alpha } = await indexKeys();
    fc.assert(
      fc.property(text, fc.integer({ min: 1, max: 128 }), fc.integer({ min: 1, max: 255 }), (value, bits, version) => {
        const full = { ...SPEC, version };
        const cut = tagOf(alpha, { ...full, bits }, value);
        const whole = tagOf(alpha, full, value);
        if (value === "") {
          expect(cut).toBeUndefined();
          return;
        }
        expect([cut?.[0], cut?.[1], cut?.length]).toEqual([version, 1, 2 + Math.ceil(bits / 8)]);
        const bitsOf = (tag: Buffer | undefined): string =>
          [...(tag?.subarray(2) ?? [])].map((byte) => byte.toString(2).padStart(8, "0")).join("");
        expect(bitsOf(cut)).toBe(
          bitsOf(whole)
            .slice(0, bits)
            .padEnd(Math.ceil(bits / 8) * 8, "0"),
        );
        expect(bitsOf(randomTag(alpha, { ...full, bits })).slice(bits)).toMatch(/^0*$/);
      }),
    );
  });

  test("of a partitioned index are spread over all partitions, and a search asks for each", async () => {
    const { alpha } = await indexKeys();
    const spec = { ...SPEC, partitions: 5 };
    const asked = hex(tagsFor(alpha, spec, "smith"));
    expect(new Set(asked).size).toBe(5);
    const stored = new Map<string, number>();
    for (let row = 0; row < 1_000; row += 1) {
      const tag = tagOf(alpha, spec, "smith")?.toString("hex") ?? "";
      stored.set(tag, (stored.get(tag) ?? 0) + 1);
    }
    expect([...stored.keys()].toSorted()).toEqual(asked.toSorted());
    // 200 expected in each, with a deviation of 12.6.
    for (const count of stored.values()) expect(Math.abs(count - 200)).toBeLessThan(90);
  });

  test("are made with the index key alone", async () => {
    const { keys } = await testKeys();
    const data = await keys.current(ALPHA, "data");
    expect(() => tagOf(data, SPEC, "a")).toThrow("index key");
    for (const over of [
      { bits: 0 },
      { bits: 129 },
      { partitions: 0 },
      { partitions: 65 },
      { version: 256 },
      { table: "" },
    ]) {
      expect(() => checkIndex({ ...SPEC, ...over })).toThrow("assertion failed");
    }
  });
});

describe("plans", () => {
  const inputs = fc.array(
    fc.record({ valueBits: fc.option(fc.double({ min: 1, max: 64, noNaN: true }), { nil: undefined }) }),
    { minLength: 1, maxLength: 6 },
  );

  test("leave two coincidences at least, and no more than the root of the rows where the values allow it", () => {
    fc.assert(
      fc.property(fc.integer({ min: 16, max: 2 ** 40 }), inputs, (rows, drawn) => {
        const asked = drawn.map(({ valueBits }, at) => ({
          name: `i${String(at)}`,
          ...(valueBits === undefined ? {} : { valueBits }),
        }));
        let plan: ReturnType<typeof planIndexes>;
        try {
          plan = planIndexes(rows, asked);
        } catch (error) {
          // Only when there is less than a bit for each.
          expect(error).toMatchObject({ code: "config.invalid" });
          expect(Math.log2(rows) - 1).toBeLessThan(asked.length + 1);
          return;
        }
        expect(plan.coincidences).toBeGreaterThanOrEqual(2 * (1 - 1e-6));
        const used = plan.indexes.reduce((sum, { bits }, at) => sum + Math.min(bits, asked[at]?.valueBits ?? 128), 0);
        expect(plan.coincidences).toBeCloseTo(rows / 2 ** used, 3);
        const coarse = plan.warnings.some((warning) => warning.includes("square root"));
        expect(coarse).toBe(plan.coincidences > Math.sqrt(rows) * (1 + 1e-9));
      }),
    );
  });

  test("are refused below 16 rows, and for lengths that name single rows", () => {
    expect(() => planIndexes(15, [{ name: "eq" }])).toThrow("fewer than 16 rows");
    expect(planIndexes(16, [{ name: "eq" }]).indexes).toEqual([{ name: "eq", bits: 3, unique: false }]);
    expect(() => planIndexes(1_000, [{ name: "eq", bits: 10 }])).toThrow("2 is the least");
    expect(planIndexes(1_024, [{ name: "eq", bits: 9 }]).coincidences).toBe(2);
    // Each alone is safe, together they are not.
    const both = [
      { name: "eq", bits: 8 },
      { name: "last4", bits: 8 },
    ];
    expect(() => planIndexes(1_024, both)).toThrow("eq, last4 together");
    expect(() =>
      planIndexes(
        64,
        Array.from({ length: 9 }, (_, at) => ({ name: `i${String(at)}` })),
      ),
    ).toThrow("too many indexes");
  });

  test("a unique index is stored in full, and says so", () => {
    const plan = planIndexes(50_000, [
      { name: "email", unique: true },
      { name: "domain", valueBits: 12 },
    ]);
    expect(plan.indexes[0]).toEqual({ name: "email", bits: 128, unique: true });
    expect(plan.warnings).toEqual([expect.stringContaining("email is stored in full")]);
  });

  test("values of few possibilities get no longer tags than these have", () => {
    const plan = planIndexes(1_000_000, [
      { name: "eq" },
      { name: "last4", valueBits: 13.28 },
      { name: "sex", valueBits: 1 },
    ]);
    expect(plan.indexes.map(({ bits }) => bits)).toEqual([9, 8, 1]);
  });
});

describe("leakage", () => {
  test("full tags of skewed values give the frequency attack nearly everything; planned ones take it back", async () => {
    const { alpha } = await indexKeys();
    // Zipf: the r-th value occurs 2,000 / r times.
    const values = Array.from({ length: 200 }, (_, at) =>
      Array.from({ length: Math.floor(2_000 / (at + 1)) }, () => `name ${String(at)}`),
    ).flat();
    const observe = (spec: IndexSpec) =>
      measureLeakage(values.map((value) => ({ seen: tagOf(alpha, spec, value)?.toString("hex") ?? null, value })));
    const full = observe(SPEC);
    expect(full).toMatchObject({ rows: values.length, values: 200, seen: 200, largestBucket: 2_000, nulls: 0 });
    expect(full.frequency).toBeGreaterThan(0.7);
    expect(full.ceiling).toBe(1);
    expect(full.guessing).toBeCloseTo(2_000 / values.length, 10);
    const cut = observe({ ...SPEC, bits: 3 });
    expect(cut.ceiling).toBeLessThan(full.ceiling);
    expect(cut.frequency).toBeLessThan(full.frequency);
    const spread = observe({ ...SPEC, partitions: 32 });
    expect(spread.frequency).toBeLessThan(full.frequency);
    expect(spread.largestBucket).toBeLessThan(200);
  });

  test("nothing seen is nothing learnt, and NULL is seen", () => {
    const rows = ["a", "a", "b"].map((value) => ({ seen: "same", value }));
    const blind = measureLeakage(rows);
    expect([blind.guessing, blind.frequency, blind.ceiling]).toEqual([2 / 3, 2 / 3, 2 / 3]);
    expect(measureLeakage([...rows, { seen: null, value: null }])).toMatchObject({
      rows: 4,
      nulls: 1,
      guessing: 2 / 3,
    });
    expect(measureLeakage([])).toMatchObject({ rows: 0, guessing: 0, frequency: 0, ceiling: 0 });
  });

  test("the attack is never below what it reads into, and never above the ceiling", () => {
    const observation = fc.record({
      seen: fc.constantFrom("t1", "t2", "t3", null),
      value: fc.constantFrom("a", "b", "c", null),
    });
    fc.assert(
      fc.property(fc.array(observation), (observations) => {
        const { frequency, ceiling, guessing } = measureLeakage(observations);
        expect(frequency).toBeLessThanOrEqual(ceiling);
        expect(guessing).toBeLessThanOrEqual(ceiling);
        expect(ceiling).toBeLessThanOrEqual(1);
      }),
    );
  });

  test("a row is alone when no other has all its tags", () => {
    expect(shareAlone(["a", "a", "b", "c"])).toBe(0.5);
    expect(shareAlone([])).toBe(0);
  });
});
