import * as fc from "fast-check";
import { expect, test } from "vitest";
import { compare, median, resultTable } from "./result.ts";

test("the median has as many values below it as above it, and does not touch its input", () => {
  fc.assert(
    fc.property(fc.array(fc.integer(), { minLength: 1, maxLength: 30 }), (values) => {
      const before = [...values];
      const middle = median(values);
      expect(values).toEqual(before);
      const below = values.filter((value) => value < middle).length;
      const above = values.filter((value) => value > middle).length;
      expect(below).toBeLessThanOrEqual(values.length / 2);
      expect(above).toBeLessThanOrEqual(values.length / 2);
    }),
  );
});

test("an odd count has its middle value, an even count the mean of two, none has no median", () => {
  expect(median([9, 1, 5])).toBe(5);
  expect(median([4, 1, 3, 2])).toBe(2.5);
  expect(median([])).toBeNaN();
});

test("a result holds exactly the seven published fields, rounded to four digits", () => {
  expect(compare("tax.read", "req/s", 12_345.67, "plain", 10_000)).toEqual({
    bench: "tax.read",
    unit: "req/s",
    ours: 12_350,
    peer: "plain",
    peerValue: 10_000,
    ratio: 1.235,
    note: "",
  });
});

test("an absent peer has no figure and no ratio, and the reason stands beside it", () => {
  const result = compare("tax.read", "req/s", 10_000, "plain", undefined, "absent: no such file");
  expect([result.peerValue, result.ratio]).toEqual([null, null]);
  expect(resultTable([result]).split("\n")[1]).toMatch(
    /^tax\.read\s+req\/s\s+10000\s+plain\s+-\s+-\s+absent: no such file$/,
  );
});
