import { execFileSync } from "node:child_process";
import fs from "node:fs";
import { fileURLToPath } from "node:url";
import { CspEvaluator } from "csp_evaluator/dist/evaluator.js";
import { Severity } from "csp_evaluator/dist/finding.js";
import { CspParser } from "csp_evaluator/dist/parser.js";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { consoleRoutes } from "../../apps/server/console.ts";
import { apiStage, PASSWORD, type Stage } from "../../apps/server/stage.fixture.ts";

// Two outside judges look at what a browser gets: Google's evaluator of content security policies, and the analysers of
// Mozilla's observatory, which grade a response's header fields.

const CONSOLE = new URL("../../apps/console/", import.meta.url);
// Installed apart from everything else: its packages have install scripts that fetch from the internet.
const OBSERVATORY = new URL("observatory/node_modules/@mdn/mdn-http-observatory/src/", import.meta.url);
const HAS_OBSERVATORY = fs.existsSync(OBSERVATORY);
const HOST = "ringwall.example";

interface Judged {
  readonly pass: boolean;
  readonly result: string;
}

/** The observatory's own parts; it has neither types nor another way in than a request over the internet. */
interface Observatory {
  readonly ALL_TESTS: readonly ((requests: object) => Judged)[];
  readonly Requests: new (hostname: string) => Record<string, unknown>;
  readonly Session: new (url: URL) => { readonly jar: { setCookie(cookie: string, url: string): Promise<unknown> } };
}

let stage: Stage;
let observatory: Observatory | undefined;
let page: Response;
let markup: string;

beforeAll(async () => {
  execFileSync(process.execPath, ["--conditions=source", fileURLToPath(new URL("main.ts", CONSOLE))]);
  const routes = consoleRoutes(fileURLToPath(new URL("dist", CONSOLE)));
  stage = await apiStage({ behindProxy: true, console: routes });
  if (HAS_OBSERVATORY) observatory = await loadObservatory();
  page = await get("/");
  markup = await page.clone().text();
});
afterAll(async () => {
  vi.restoreAllMocks();
  await stage.close();
});

async function loadObservatory(): Promise<Observatory> {
  // Its package brings no list of preloaded hosts; a script fetches one from the internet. Ours is in none.
  const read = fs.readFileSync.bind(fs);
  vi.spyOn(fs, "readFileSync").mockImplementation((...args: Parameters<typeof fs.readFileSync>) =>
    String(args[0]).endsWith("hsts-preload.json") ? "{}" : read(...args),
  );
  const parts = ["constants.js", "types.js", "retriever/session.js"].map(
    (file) => import(new URL(file, OBSERVATORY).href),
  );
  // What they export is held by the use below.
  return Object.assign({}, ...(await Promise.all(parts))) as Observatory;
}

/** As the proxy asks that ends TLS for a browser. */
async function get(path: string, init: RequestInit = {}): Promise<Response> {
  const headers = new Headers(init.headers);
  headers.set("x-forwarded-proto", "https");
  headers.set("x-forwarded-for", "203.0.113.9");
  return await fetch(`http://localhost:${stage.port}${path}`, { ...init, headers });
}

const addresses = ["/", "/audit", "/v1/session", "/v1/openapi.json", "/no-such-address"];

async function judge(response: Response): Promise<readonly [string, boolean][]> {
  if (observatory === undefined) throw new TypeError("the observatory is not installed");
  const { ALL_TESTS, Requests, Session } = observatory;
  const url = new URL(`https://${HOST}/`);
  const text = await response.clone().text();
  const fields = Object.fromEntries(response.headers);
  const answered = {
    headers: Object.create(
      { get: (name: string) => response.headers.get(name) },
      Object.getOwnPropertyDescriptors(fields),
    ),
    status: response.status,
    verified: true,
    data: text,
    httpEquiv: new Map(),
  };
  const session = Object.assign(new Session(url), { url });
  for (const cookie of response.headers.getSetCookie()) await session.jar.setCookie(cookie, url.href);
  const requests = Object.assign(new Requests(HOST), {
    // Nothing of ours listens without TLS beyond this machine, so there is no plain answer to judge.
    responses: { auto: answered, cors: answered, http: null, https: answered, httpRedirects: [], httpsRedirects: [] },
    resources: { path: text },
    session,
  });
  return ALL_TESTS.map((one) => one(requests)).map(({ pass, result }) => [result, pass]);
}

const MISSING = "is not installed (npm ci --ignore-scripts --prefix test/conformance/observatory)";
describe.skipIf(!HAS_OBSERVATORY)(`the observatory ${HAS_OBSERVATORY ? "" : MISSING}`, () => {
  test.each(addresses)("has no finding at %s", async (address) => {
    const judged = await judge(await get(address));
    expect(judged.filter(([, pass]) => !pass)).toEqual([]);
    expect(judged).toHaveLength(10);
  });

  test("has none in the answer that gives a browser its session", async () => {
    const person = await stage.tenant("north-bank");
    const viewer = await stage.person(person, "viewer");
    const response = await get("/v1/sign-in", {
      method: "POST",
      headers: { "content-type": "application/json", "sec-fetch-site": "same-origin" },
      body: JSON.stringify({ tenant: "north-bank", email: viewer.email, password: PASSWORD }),
    });
    expect([response.status, response.headers.getSetCookie().length]).toEqual([200, 1]);
    expect((await judge(response)).filter(([, pass]) => !pass)).toEqual([]);
  });

  test("is not pleased by everything: without our fields it fails most", async () => {
    const judged = await judge(new Response("<script src='https://cdn.example/x.js'></script>", { status: 200 }));
    expect(judged.filter(([, pass]) => !pass).length).toBeGreaterThanOrEqual(4);
  });
});

describe("the evaluator of policies", () => {
  // What it says to everybody who uses a nonce, for browsers of 2016 that know none. Those are not served.
  const ADVICE = new Set([Severity.STRICT_CSP, Severity.NONE, Severity.INFO]);
  const findings = (policy: string) =>
    new CspEvaluator(new CspParser(policy).csp).evaluate().filter(({ severity }) => !ADVICE.has(severity));

  test.each(addresses)("has no finding at %s", async (address) => {
    expect(findings((await get(address)).headers.get("content-security-policy") ?? "")).toEqual([]);
  });

  test("finds what is weak", () => {
    expect(findings("script-src 'unsafe-inline' *").length).toBeGreaterThan(0);
  });
});

describe("the console's page", () => {
  test("carries the nonce of its own answer on each script and style, and nothing inline", async () => {
    const nonce = /'nonce-([^']+)'/.exec(page.headers.get("content-security-policy") ?? "")?.[1];
    const tags = [...markup.matchAll(/<(?:script|link rel="stylesheet")[^>]*>/g)].map(([tag]) => tag);
    expect(tags.length).toBeGreaterThanOrEqual(2);
    for (const tag of tags) expect(tag).toContain(`nonce="${nonce}"`);
    expect(markup).not.toMatch(/<script\b[^>]*>[^<\s]|<style|\sstyle=|\son[a-z]+=|javascript:|\{\{nonce\}\}/i);
    expect(await (await get("/")).text()).not.toBe(markup);
    expect(page.headers.get("cache-control")).toBe("no-store");
  });

  test("takes in files of this server alone, each with its type, kept for a year", async () => {
    const files = [...markup.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, file]) => file ?? "");
    expect(
      files.map((file) => file.split(".").at(-1)).toSorted((left = "", right = "") => left.localeCompare(right)),
    ).toEqual(["css", "js", "svg"]);
    for (const file of files) {
      const answered = await get(file);
      expect([file, answered.status]).toEqual([expect.stringMatching(/^\/assets\//), 200]);
      expect(answered.headers.get("cache-control")).toBe("public, max-age=31536000, immutable");
      expect(answered.headers.get("content-type")).toMatch(/^(text\/(css|javascript); charset=utf-8|image\/svg\+xml)$/);
    }
  });

  test("is at its own addresses alone: the API's are the API's, and others are not there", async () => {
    for (const path of [
      "/v1",
      "/v1/",
      "/v1/nothing",
      "/assets/",
      "/assets/x.js",
      "/users/1",
      "/index.html",
      "/manifest.json",
    ]) {
      const answered = await get(path);
      expect([path, answered.status]).toEqual([path, 404]);
      expect(answered.headers.get("content-type")).toContain("application/problem+json");
      expect(answered.headers.get("cache-control")).toBe("no-store");
    }
    // A refusal at a kept address is not kept.
    const file = /src="([^"]+)"/.exec(markup)?.[1] ?? "";
    const refused = await get(`${file}?version=1`);
    expect([refused.status, refused.headers.get("cache-control")]).toEqual([400, "no-store"]);
  });

  test("is not on the local socket, which is for programs", async () => {
    expect((await stage.operator("GET", "/")).status).toBe(404);
  });

  test("writes no markup and keeps nothing in the browser", async () => {
    const script = await (await get(/src="([^"]+)"/.exec(markup)?.[1] ?? "")).text();
    expect(script).not.toMatch(/localStorage|sessionStorage|document\.write|insertAdjacentHTML|\beval\(|new Function/);
  });
});
