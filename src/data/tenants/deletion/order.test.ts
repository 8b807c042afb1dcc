import * as fc from "fast-check";
import { expect, test } from "vitest";
import { deletionOrder, type Reference } from "./order.ts";

const table = fc.integer({ min: 0, max: 9 }).map((number) => `t${number}`);
const reference = fc.record({ referring: table, referred: table }) satisfies fc.Arbitrary<Reference>;

test("every table is emptied once, and none before one that refers to it, unless both go in one statement", () => {
  fc.assert(
    fc.property(fc.uniqueArray(table), fc.array(reference, { maxLength: 30 }), (tables, references) => {
      const steps = deletionOrder(tables, references);
      expect(steps.flatMap((step) => step.tables).sort()).toEqual([...tables].sort());
      const place = new Map(steps.flatMap((step, at) => step.tables.map((one) => [one, at])));
      for (const { referred, referring } of references) {
        const [from, to] = [place.get(referring), place.get(referred)];
        if (from === undefined || to === undefined) continue;
        expect(from).toBeLessThanOrEqual(to);
        if (from === to) expect(steps[from]?.atOnce).toBe(true);
      }
    }),
    { numRuns: 1_000 },
  );
});

test("only circles go in one statement", () => {
  const steps = deletionOrder(
    ["a", "b", "c", "d"],
    [
      { referring: "a", referred: "b" },
      { referring: "b", referred: "c" },
      { referring: "c", referred: "b" },
      { referring: "d", referred: "d" },
    ],
  );
  expect(steps.find(({ tables }) => tables.includes("a"))).toEqual({ tables: ["a"], atOnce: false });
  expect(steps.find(({ tables }) => tables.includes("b"))?.tables.toSorted()).toEqual(["b", "c"]);
  expect(steps.find(({ tables }) => tables.includes("d"))?.atOnce).toBe(true);
});

test("a chain of five thousand tables has its order", () => {
  const tables = Array.from({ length: 5_000 }, (_, number) => `t${number}`);
  const references = tables.slice(1).map((referring, number) => ({ referring, referred: `t${number}` }));
  const steps = deletionOrder(tables, references);
  expect(steps[0]?.tables).toEqual(["t4999"]);
  expect(steps.at(-1)?.tables).toEqual(["t0"]);
});
