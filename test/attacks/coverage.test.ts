import { existsSync, readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { attacks, FLAWS } from "../../apps/cli/commands/attack/index.ts";

// The founding document's list has this many entries.
const FLAWS_TOTAL = 70;
const root = new URL("../../", import.meta.url);
const flaws = Object.entries(FLAWS).map(([number, flaw]) => ({ number: Number(number), ...flaw }));

test("every flaw of the list is known, and each once", () => {
  expect(flaws.map(({ number }) => number)).toEqual(Array.from({ length: FLAWS_TOTAL }, (_, index) => index + 1));
});

test.each(flaws)("flaw $number: $title", ({ notYet, number, tests = [] }) => {
  const replayed = attacks.filter((attack) => attack.flaws.includes(number));
  if (notYet !== undefined) {
    // What was said to be missing is there now: say so.
    expect(replayed, "a flaw with an attack is no longer to come").toEqual([]);
    return;
  }
  expect(replayed.length + tests.length, "it has neither an attack nor a test").toBeGreaterThan(0);
  for (const { file, test: name } of tests) {
    const url = new URL(file, root);
    expect(existsSync(url), `${file} is gone`).toBe(true);
    expect(readFileSync(url, "utf8"), `${file} has no such test`).toContain(name);
  }
});

test("there are at least 40 attacks over at least 34 flaws, each with a name of its own and one thing that differs", () => {
  expect(attacks.length).toBeGreaterThanOrEqual(40);
  expect(new Set(attacks.flatMap((attack) => attack.flaws)).size).toBeGreaterThanOrEqual(34);
  expect(new Set(attacks.map((attack) => attack.id)).size).toBe(attacks.length);
  for (const { differs, flaws: numbers, id, title } of attacks) {
    expect(id).toMatch(/^[a-z0-9]+(?:-[a-z0-9]+)*$/);
    expect(title).toMatch(/^[A-Z].*[^.]$/);
    expect(differs).not.toBe("");
    for (const number of numbers) expect(FLAWS[number], `${id} names flaw ${number}`).toBeDefined();
  }
});
