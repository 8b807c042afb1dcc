import * as fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type BankStage, bankStage } from "../stage.fixture.ts";

let stage: BankStage;
beforeAll(async () => {
  stage = await bankStage();
});
afterAll(async () => {
  await stage.close();
});

const nonceOf = (policy: string | null): string => /'nonce-([^']+)'/.exec(policy ?? "")?.[1] ?? "";

test("the page's policy names a nonce that differs each time, and the page's script carries it", async () => {
  const answers = [await stage.ask("GET", "/"), await stage.ask("GET", "/"), await stage.ask("GET", "/")];
  const nonces = answers.map(({ headers }) => nonceOf(headers.get("content-security-policy")));
  expect(new Set(nonces).size).toBe(3);
  for (const [index, { headers, text }] of answers.entries()) {
    expect(headers.get("content-type")).toBe("text/html; charset=utf-8");
    expect(nonces[index]).toMatch(/^[\w-]{22}$/);
    const scripts = [...text.matchAll(/<script\b[^>]*>/g)].map(([tag]) => tag);
    expect(scripts).toEqual([`<script nonce="${nonces[index]}" type="module" src="/bank.js">`]);
    expect(text).not.toContain("{{nonce}}");
  }
});

test("the policy lets nothing run, load or frame that the page does not need", async () => {
  const { headers, text } = await stage.ask("GET", "/");
  const policy = headers.get("content-security-policy") ?? "";
  for (const part of [
    "default-src 'none'",
    "base-uri 'none'",
    "form-action 'self'",
    "frame-ancestors 'none'",
    "object-src 'none'",
    "require-trusted-types-for 'script'",
  ]) {
    expect(policy).toContain(part);
  }
  expect(policy).not.toMatch(/unsafe|\*/);
  // Nothing in the page would need more: no script or style in it, no handler in an attribute.
  expect(text).not.toMatch(/<script\b[^>]*>[^<\s]|<style|\sstyle=|\son[a-z]+=|javascript:/i);
});

test("style and scripts come with their own type, and hold no way around the policy", async () => {
  const style = await stage.ask("GET", "/bank.css");
  expect(style.headers.get("content-type")).toBe("text/css; charset=utf-8");
  const main = await stage.ask("GET", "/bank.js");
  const imported = [...main.text.matchAll(/from "([^"]+)"/g)].map(([, path]) => path ?? "");
  expect(imported).toEqual(["./money.js"]);
  const scripts = [main, await stage.ask("GET", "/money.js")];
  expect(scripts.map(({ headers }) => headers.get("content-type"))).toEqual([
    "text/javascript; charset=utf-8",
    "text/javascript; charset=utf-8",
  ]);
  for (const script of scripts)
    expect(script.text).not.toMatch(
      /innerHTML|outerHTML|insertAdjacent|document\.write|eval\(|new Function|localStorage/,
    );
});

test("every field of the page has a label, and every id that the script looks for is there", async () => {
  const { text: page } = await stage.ask("GET", "/");
  const { text: script } = await stage.ask("GET", "/bank.js");
  const labelled = [...page.matchAll(/<label>[^<]+<(?:input|select)\b/g)].length;
  const fields = [...page.matchAll(/<(?:input|select)\b/g)].length;
  expect(labelled).toBe(fields);
  const wanted = [...script.matchAll(/["'`]#([a-z-]+)/g)].map(([, id]) => id);
  const there = new Set([...page.matchAll(/\sid="([a-z-]+)"/g)].map(([, id]) => id));
  expect(wanted.filter((id) => id !== undefined && !there.has(id))).toEqual([]);
});

test("every field's pattern is one that browsers accept: they read it with the strictest flag and ignore what fails", async () => {
  const { text } = await stage.ask("GET", "/");
  const patterns = [...text.matchAll(/ pattern="([^"]+)"/g)].map(([, pattern]) => new RegExp(`^(?:${pattern})$`, "v"));
  expect(patterns).toHaveLength(4);
  expect(patterns.filter((pattern) => pattern.test("0198c1a0-0000-7000-8000-000000000001"))).toHaveLength(2);
});

interface Money {
  readonly minorUnits: (text: string) => number | undefined;
  readonly decimal: (units: number) => string;
}

test("an amount that people write becomes whole minor units, without a fraction in between", async () => {
  const path = new URL("../page/money.js", import.meta.url).href;
  // The page's script has no types of its own.
  const { decimal, minorUnits } = (await import(path)) as Money;
  for (const [text, units] of [
    ["12", 1_200],
    ["12.5", 1_250],
    ["12,50", 1_250],
    [" 0.29 ", 29],
    ["0.57", 57],
    ["1.15", 115],
    ["8.2", 820],
    ["999999999.99", 99_999_999_999],
    ["007", 700],
  ] as const) {
    expect([text, minorUnits(text)]).toEqual([text, units]);
  }
  for (const text of [
    "",
    "0",
    "0.00",
    "-1",
    "+1",
    "1e3",
    "0x10",
    ".5",
    "5.",
    "1.234",
    "1 000",
    "1,000.00",
    "NaN",
    "1234567890",
    "١٢",
  ]) {
    expect([text, minorUnits(text)]).toEqual([text, undefined]);
  }
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 99_999_999_999 }), (units) => {
      expect(minorUnits(decimal(units))).toBe(units);
    }),
  );
});
