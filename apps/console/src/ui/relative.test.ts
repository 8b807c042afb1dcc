import { expect, test } from "vitest";
import { relative } from "./relative.ts";

test("times are said in the largest unit of which there is at least one", () => {
  const nowMs = Date.UTC(2026, 0, 1);
  const said = (ms: number): string => relative(nowMs + ms, nowMs);
  expect(said(0)).toBe("just now");
  expect(said(-44_000)).toBe("just now");
  expect(said(-50_000)).toBe("1 minute ago");
  expect(said(-90 * 60_000)).toMatch(/^[12] hours? ago$/);
  expect(said(-86_400_000)).toBe("yesterday");
  expect(said(7 * 86_400_000 - 1_000)).toBe("in 7 days");
  expect(said(12 * 3_600_000 - 5_000)).toBe("in 12 hours");
});
