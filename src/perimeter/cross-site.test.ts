import { describe, expect, test } from "vitest";
import { RingwallError } from "../core/index.ts";
import {
  fieldsOf,
  perimeterFor,
  perimeterRequest,
  refusalOf,
  TEST_APP,
  TEST_HOST,
} from "../testing/perimeter-request.ts";
import { type PerimeterRequest } from "./index.ts";

const POST = { method: "POST" };

describe("forged by another site", () => {
  test.each([
    [
      "a form on another site",
      { "sec-fetch-site": "cross-site", "origin": "https://evil.example", "cookie": "s=1" },
      "request.origin_refused origin_not_listed",
    ],
    [
      "the same without a cookie: nobody is signed in to a stranger's account",
      { "sec-fetch-site": "cross-site" },
      "request.cross_site cross_site",
    ],
    [
      "a forgotten subdomain of this site",
      { "sec-fetch-site": "same-site", "cookie": "s=1" },
      "request.cross_site same_site_other_origin",
    ],
    ["a sandboxed frame", { "origin": "null", "cookie": "s=1" }, "request.origin_refused origin_not_listed"],
    [
      "a browser without Fetch Metadata",
      { "origin": "https://evil.example", "cookie": "s=1" },
      "request.origin_refused origin_not_listed",
    ],
    ["neither field, but a cookie", { "cookie": "s=1" }, "request.cross_site cookie_without_origin"],
    ["a relation nobody defined", { "sec-fetch-site": "trust-me", "cookie": "s=1" }, "request.cross_site cross_site"],
    [
      "the same origin claimed, but another named",
      { "sec-fetch-site": "same-origin", "origin": "https://evil.example" },
      "request.origin_refused origin_not_listed",
    ],
    [
      "the right host over the wrong scheme",
      { "origin": `http://${TEST_HOST}`, "cookie": "s=1" },
      "request.origin_refused origin_not_listed",
    ],
    [
      "a host that begins like this one",
      { "origin": `https://${TEST_HOST}.evil.example`, "cookie": "s=1" },
      "request.origin_refused origin_not_listed",
    ],
    [
      "a listed origin with a cookie, though CORS gives it none",
      { "origin": TEST_APP, "sec-fetch-site": "same-site", "cookie": "s=1" },
      "request.cross_site cookie_from_foreign_origin",
    ],
  ])("%s", (_, headers, expected) => {
    expect(refusalOf(perimeterFor(), perimeterRequest(POST, headers))).toBe(expected);
  });

  test.each([
    ["a page of our own", { "sec-fetch-site": "same-origin", "origin": `https://${TEST_HOST}`, "cookie": "s=1" }],
    ["a page of our own in an older browser", { "origin": `https://${TEST_HOST}`, "cookie": "s=1" }],
    ["a program with a bearer token", { authorization: "Bearer x" }],
    [
      "a listed origin with a bearer token",
      { "origin": TEST_APP, "sec-fetch-site": "same-site", "authorization": "Bearer x" },
    ],
  ])("and not: %s", (_, headers) => {
    expect(refusalOf(perimeterFor(), perimeterRequest(POST, headers))).toBeUndefined();
  });

  test("a link from another site may be followed, since it changes nothing", () => {
    expect(
      refusalOf(perimeterFor(), perimeterRequest({}, { "sec-fetch-site": "cross-site", "cookie": "s=1" })),
    ).toBeUndefined();
  });

  test("each step is a step of its own: without it, its attack passes and the others still stop theirs", () => {
    const subject = perimeterFor();
    expect(subject.steps.map((step) => step.name)).toEqual(["address", "rate", "protocol", "host", "origin", "csrf"]);
    const without = subject.steps.filter((step) => step.name !== "csrf");
    const run = (asked: PerimeterRequest) => () => without.forEach((step) => void step.run(subject.open(asked)));
    expect(run(perimeterRequest(POST, { cookie: "s=1" }))).not.toThrow();
    expect(run(perimeterRequest(POST, { cookie: "s=1", host: "evil.example" }))).toThrow(RingwallError);
  });
});

describe("CORS", () => {
  const preflight = (origin: string, method = "POST", asked = "authorization, Content-Type"): PerimeterRequest =>
    perimeterRequest(
      { method: "OPTIONS" },
      { origin, "access-control-request-method": method, "access-control-request-headers": asked },
    );

  test("a listed origin is answered with its own name and no more than the listed methods and fields", () => {
    const subject = perimeterFor();
    expect(refusalOf(subject, preflight(TEST_APP))).toBeUndefined();
    expect(fieldsOf(subject.preflight(subject.open(preflight(TEST_APP))))).toMatchObject({
      "Access-Control-Allow-Origin": TEST_APP,
      "Access-Control-Allow-Methods": "GET, POST, PUT, DELETE",
      "Access-Control-Allow-Headers": "Authorization, Content-Type",
      "Access-Control-Max-Age": "600",
      "Vary": "Origin, Access-Control-Request-Method, Access-Control-Request-Headers",
      "X-Content-Type-Options": "nosniff",
    });
    const visit = subject.open(perimeterRequest({}, { origin: TEST_APP }));
    const sent = fieldsOf(subject.answerHeaders(visit, { profile: "api" }, false));
    expect(sent["Access-Control-Allow-Origin"]).toBe(TEST_APP);
    expect(sent).not.toHaveProperty("Access-Control-Allow-Credentials");
  });

  test.each([
    ["another origin", preflight("https://evil.example")],
    ["the null origin", preflight("null")],
    ["a longer name", preflight(`${TEST_APP}.evil.example`)],
    ["another port", preflight(`${TEST_APP}:8443`)],
    ["a method that is not listed", preflight(TEST_APP, "PATCH")],
    ["a field that is not listed", preflight(TEST_APP, "POST", "x-tenant")],
  ])("%s is refused and gets no permission", (_, asked) => {
    const subject = perimeterFor();
    expect(refusalOf(subject, asked)).toMatch(/^request\.origin_refused/);
    const visit = subject.open(asked);
    expect(subject.preflight(visit)).toBeUndefined();
    if (asked.rawHeaders.includes(TEST_APP)) return;
    expect(fieldsOf(subject.answerHeaders(visit, { profile: "api" }, true))).not.toHaveProperty(
      "Access-Control-Allow-Origin",
    );
  });

  test("settings add PATCH, Idempotency-Key and credentials, and cookies then pass CSRF from that origin alone", () => {
    const subject = perimeterFor({
      cors: { origins: [TEST_APP], patch: true, idempotencyKey: true, credentials: true },
    });
    const asked = preflight(TEST_APP, "PATCH", "idempotency-key");
    expect(fieldsOf(subject.preflight(subject.open(asked)))).toMatchObject({
      "Access-Control-Allow-Credentials": "true",
    });
    expect(
      refusalOf(
        subject,
        perimeterRequest(POST, { "origin": TEST_APP, "cookie": "s=1", "sec-fetch-site": "cross-site" }),
      ),
    ).toBeUndefined();
    expect(refusalOf(subject, perimeterRequest(POST, { origin: "https://evil.example", cookie: "s=1" }))).toMatch(
      /origin_refused/,
    );
  });

  test.each([
    "*",
    "null",
    "https://*.example.com",
    "https://app.example.com/",
    "http://app.example.com",
    "app.example.com",
    "https://u:p@app.example.com",
    "file://",
  ])("the configuration refuses the origin %s", (origin) => {
    expect(() => perimeterFor({ cors: { origins: [origin] } })).toThrow("cors.origins");
  });

  test("without origins no answer varies", () => {
    const subject = perimeterFor({ cors: {} });
    expect(
      fieldsOf(subject.answerHeaders(subject.open(perimeterRequest()), { profile: "api" }, false)),
    ).not.toHaveProperty("Vary");
  });
});
