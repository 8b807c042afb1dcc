import { readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { expected } from "./attack.ts";
import { type BreachStage, breachStage } from "./stage.ts";
import { ATTACKS, breachTable, counts, LAYERS } from "./table.ts";

/** The least number of attacks that must still fail when a layer is out. */
const STOPPED_MIN = 8;

describe.each([undefined, ...LAYERS])("without layer %s", (without) => {
  let stage: BreachStage;
  beforeAll(async () => {
    stage = await breachStage(without);
  });
  afterAll(() => stage.close());

  test.each(ATTACKS.map((attack) => [attack.id, attack] as const))("%s", async (_id, attack) => {
    expect(await attack.run(stage)).toEqual(expected(attack, without));
  });
});

test("with all layers on every attack is stopped", () => {
  expect(ATTACKS.filter((attack) => expected(attack, undefined).reached)).toEqual([]);
});

test.each(LAYERS)(
  "without layer %s most attacks still fail, and at least one succeeds: the layer was really off",
  (layer) => {
    const { reached, stopped } = counts(layer);
    expect(stopped).toBeGreaterThanOrEqual(STOPPED_MIN);
    expect(reached).toBeGreaterThanOrEqual(1);
  },
);

test("README.md shows this table", () => {
  const text = readFileSync(new URL("README.md", import.meta.url), "utf8");
  expect(text).toContain(breachTable());
});
