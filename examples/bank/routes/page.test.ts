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

test("style and script come with their own type, and hold no way around the policy", async () => {
  const style = await stage.ask("GET", "/bank.css");
  const script = await stage.ask("GET", "/bank.js");
  expect(style.headers.get("content-type")).toBe("text/css; charset=utf-8");
  expect(script.headers.get("content-type")).toBe("text/javascript; charset=utf-8");
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
