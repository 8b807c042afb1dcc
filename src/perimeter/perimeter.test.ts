import { describe, expect, test } from "vitest";
import { type CounterStore, parseConfig, RingwallError, type TenantId } from "../core/index.ts";
import {
  fieldsOf,
  openCounters,
  perimeterFor,
  perimeterRequest,
  refusalOf,
  TEST_APP,
  TEST_HOST,
} from "../testing/perimeter-request.ts";
import { PerimeterConfig, type PerimeterRequest, type Visit } from "./index.ts";

const TENANT = "acme" as TenantId;
const POST = { method: "POST" };

describe("protocol", () => {
  test.each([
    ["an unknown method", perimeterRequest({ method: "TRACE" }), "request.method_not_allowed method"],
    ["PATCH unless allowed", perimeterRequest({ method: "PATCH" }), "request.method_not_allowed method"],
    ["a GET with content", perimeterRequest({}, { "content-length": "5" }), "request.malformed content_of_safe_method"],
    [
      "a GET with chunks",
      perimeterRequest({}, { "transfer-encoding": "chunked" }),
      "request.malformed content_of_safe_method",
    ],
    ["a body too large", perimeterRequest(POST, { "content-length": "1048577" }), "request.too_large declared_length"],
    [
      "an address too long",
      perimeterRequest({ target: `/${"a".repeat(8_000)}` }),
      "request.uri_too_long target_too_long",
    ],
    [
      "a smuggled request",
      perimeterRequest(POST, { "content-length": "5", "transfer-encoding": "chunked" }),
      "request.malformed length_and_encoding",
    ],
    ["no host", perimeterRequest({ rawHeaders: [] }), "request.malformed host_missing"],
    ["another host", perimeterRequest({}, { host: "evil.example" }), "request.host_unknown host_unknown"],
    ["a host with credentials", perimeterRequest({}, { host: `x@${TEST_HOST}` }), "request.host_unknown host_unknown"],
  ])("%s", (_, asked, expected) => {
    expect(refusalOf(perimeterFor(), asked)).toBe(expected);
  });

  test("their benign twins pass", () => {
    expect(refusalOf(perimeterFor(), perimeterRequest({ ...POST }, { "content-length": "1048576" }))).toBeUndefined();
    expect(refusalOf(perimeterFor({ cors: { patch: true } }), perimeterRequest({ method: "PATCH" }))).toBeUndefined();
    expect(
      refusalOf(perimeterFor(), perimeterRequest({}, { host: `${TEST_HOST}:443`, "content-length": "0" })),
    ).toBeUndefined();
    expect(
      refusalOf(perimeterFor({ hosts: ["*.example.com"] }), perimeterRequest({}, { host: "a.example.com" })),
    ).toBeUndefined();
    expect(
      refusalOf(perimeterFor({ hosts: ["*.example.com"] }), perimeterRequest({}, { host: "a.b.example.com" })),
    ).toBe("request.host_unknown host_unknown");
  });

  test("development answers for loopback names alone, so that no page can rebind a name to it", () => {
    const subject = perimeterFor({ hosts: [] }, openCounters().counters, "development");
    for (const host of ["localhost:7400", "127.0.0.1:7400", "[::1]:7400", "acme.localhost"]) {
      expect(refusalOf(subject, perimeterRequest({}, { host }))).toBeUndefined();
    }
    for (const host of ["evil.example:7400", TEST_HOST, "localhost.evil.example", "10.0.0.1", "localhost:x"]) {
      expect(refusalOf(subject, perimeterRequest({}, { host }))).toBe("request.host_unknown host_unknown");
    }
  });

  test("production without a list of hosts does not start", () => {
    expect(() => perimeterFor({ hosts: [] })).toThrow("perimeter.hosts");
  });
});

describe("rates", () => {
  const refusing = (retryAfterMs: number): CounterStore => ({
    take: () => ({ allowed: false, remaining: 0, tightest: 0, retryAfterMs, refused: 0 }),
  });

  test("one operation counts the address and the route, by names that no visitor chooses", () => {
    const { counters, asked } = openCounters();
    const subject = perimeterFor({}, counters);
    void subject.admit(subject.open(perimeterRequest({ route: "sign-in", socketAddress: "2001:db8:1:2::5" })));
    expect(asked).toHaveLength(1);
    expect(asked[0]?.map((bucket) => bucket.key)).toEqual([
      "-:address:2001:db8:1:2::/64",
      "-:route:sign-in:2001:db8:1:2::/64",
    ]);
  });

  test("a route without a rate of its own meets the general ones", () => {
    const { counters, asked } = openCounters();
    const subject = perimeterFor({}, counters);
    void subject.admit(subject.open(perimeterRequest({ route: "accounts" })));
    expect(asked[0]).toHaveLength(1);
  });

  test("somebody known is counted by tenant, account and route, each key starting with the tenant", () => {
    const { counters, asked } = openCounters();
    const subject = perimeterFor({}, counters);
    void subject.admitAccount(subject.open(perimeterRequest({ route: "sign-in" })), TENANT, "user-1");
    expect(asked[0]?.map((bucket) => bucket.key)).toEqual([
      "acme:tenant",
      "acme:account:6.user-1",
      "acme:route:7.sign-in:6.user-1",
    ]);
  });

  test("a refusal says when to come back, in the error and in the answer", () => {
    const subject = perimeterFor({}, refusing(1_200));
    const visit = subject.open(perimeterRequest());
    expect(() => void subject.admit(visit)).toThrow(
      expect.objectContaining({ code: "request.rate_limited", retryAfterSeconds: 2 }),
    );
    expect(fieldsOf(subject.answerHeaders(visit, { profile: "api" }, true))).toMatchObject({
      "Retry-After": "2",
      "RateLimit": '"address";r=0;t=2',
      "RateLimit-Policy": '"address";q=3000;w=60',
    });
  });

  test("malformed requests are counted too: the rate comes before the form", () => {
    expect(refusalOf(perimeterFor({}, refusing(1)), perimeterRequest({ target: "evil" }))).toBe(
      "request.rate_limited address",
    );
  });

  test("a store that cannot be asked is a refusal, sync or async", async () => {
    const down = new RingwallError("counters.unavailable");
    const failing: CounterStore = {
      take() {
        throw down;
      },
    };
    expect(refusalOf(perimeterFor({}, failing), perimeterRequest())).toBe("counters.unavailable undefined");
    const subject = perimeterFor({}, { take: async () => Promise.reject(down) });
    await expect(subject.admit(subject.open(perimeterRequest()))).rejects.toBe(down);
  });

  test("a store that answers later still meets every step after it", async () => {
    const { counters } = openCounters();
    const subject = perimeterFor({}, { take: async (buckets) => counters.take(buckets) });
    await expect(subject.admit(subject.open(perimeterRequest({}, { host: "evil.example" })))).rejects.toMatchObject({
      code: "request.host_unknown",
    });
    await expect(subject.admit(subject.open(perimeterRequest()))).resolves.toBeUndefined();
  });
});

describe("addresses", () => {
  test("a blocked address gets nothing else than a refusal, and is not counted", () => {
    const { counters, asked } = openCounters();
    expect(refusalOf(perimeterFor({ blockedAddresses: ["203.0.113.0/24"] }, counters), perimeterRequest())).toBe(
      "access.denied address_blocked",
    );
    expect(asked).toHaveLength(0);
  });

  test("administrative routes answer to their addresses, and a forged address is none", () => {
    const subject = perimeterFor({ adminAddresses: ["192.0.2.0/24"] });
    const visit = (over: Partial<PerimeterRequest>, headers = {}): Visit =>
      subject.open(perimeterRequest(over, headers));
    expect(() => subject.admitAdministration(visit({ socketAddress: "192.0.2.7" }))).not.toThrow();
    expect(() => subject.admitAdministration(visit({}, { "x-forwarded-for": "192.0.2.7" }))).toThrow(RingwallError);
    expect(() => perimeterFor({ adminAddresses: [] }).admitAdministration(visit({}))).toThrow(RingwallError);
    expect(() => perimeterFor().admitAdministration(visit({}))).not.toThrow();
  });

  test.each(["0.0.0.0/0", "::/0", "10.0.0.0/7", "everything", "loopback"])(
    "trusting %s as a proxy is refused",
    (range) => {
      expect(() => perimeterFor({ trustedProxies: [range] })).toThrow("trustedProxies");
    },
  );

  test("only a proxy of ours can say that the client used TLS", () => {
    const subject = perimeterFor({ trustedProxies: ["10.0.0.0/8"] });
    const https = (socketAddress: string, proto: string): boolean =>
      subject.open(perimeterRequest({ tls: false, socketAddress }, { "x-forwarded-proto": proto })).site.https;
    expect(https("10.0.0.1", "https")).toBe(true);
    expect(https("10.0.0.1", "http, https")).toBe(false);
    expect(https("203.0.113.9", "https")).toBe(false);
  });
});

describe("every answer", () => {
  test("carries the founding document's fields, also to a request that could not be read", () => {
    const subject = perimeterFor();
    const visit = subject.open(
      perimeterRequest({ method: "X".repeat(99), target: "\0", rawHeaders: ["Host", "a", "Host", "b"], tls: true }),
    );
    const sent = fieldsOf(subject.answerHeaders(visit, { profile: "api" }, true));
    expect(sent).toMatchObject({
      "Strict-Transport-Security": "max-age=31536000; includeSubDomains",
      "X-Frame-Options": "DENY",
      "X-Content-Type-Options": "nosniff",
      "Referrer-Policy": "strict-origin-when-cross-origin",
      "Permissions-Policy":
        "accelerometer=(), camera=(), geolocation=(), gyroscope=(), magnetometer=(), microphone=(), payment=(), usb=()",
      "X-XSS-Protection": "0",
      "Cross-Origin-Opener-Policy": "same-origin",
      "Cross-Origin-Resource-Policy": "same-origin",
      "Cache-Control": "no-store",
      "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
      "Vary": "Origin",
    });
    expect(visit.method).toBe("OTHER");
  });

  test("has no HSTS over http, no preload unless asked, no no-store for strangers", () => {
    const subject = perimeterFor();
    const sent = fieldsOf(
      subject.answerHeaders(subject.open(perimeterRequest({ tls: false })), { profile: "api" }, false),
    );
    expect(sent).not.toHaveProperty("Strict-Transport-Security");
    expect(sent).not.toHaveProperty("Cache-Control");
    const preloading = perimeterFor({ headers: { hsts: { preload: true } } });
    expect(
      fieldsOf(preloading.answerHeaders(preloading.open(perimeterRequest()), { profile: "api" }, false))[
        "Strict-Transport-Security"
      ],
    ).toContain("; preload");
    expect(() => perimeterFor({ headers: { hsts: { preload: true, includeSubDomains: false } } })).toThrow("preload");
  });

  test("a page has a fresh nonce, and no nonce can end its quotes", () => {
    const subject = perimeterFor({ headers: { pages: { connectOrigins: [TEST_APP] } } });
    const visit = subject.open(perimeterRequest());
    const nonce = subject.nonce();
    expect(subject.nonce()).not.toBe(nonce);
    const policy =
      fieldsOf(subject.answerHeaders(visit, { profile: "html", nonce }, true))["Content-Security-Policy"] ?? "";
    expect(policy).toContain(`script-src 'nonce-${nonce}' 'strict-dynamic'; style-src 'self' 'nonce-${nonce}'`);
    expect(policy).toContain(`connect-src 'self' ${TEST_APP};`);
    expect(policy).toContain("upgrade-insecure-requests");
    expect(policy).not.toMatch(/unsafe|\*/);
    const plain = fieldsOf(
      subject.answerHeaders(subject.open(perimeterRequest({ tls: false })), { profile: "html", nonce }, true),
    );
    expect(plain["Content-Security-Policy"]).not.toContain("upgrade-insecure-requests");
    for (const bad of ["", "x", "aaaaaaaaaaaaaaaa'; script-src *"]) {
      expect(() => subject.answerHeaders(visit, { profile: "html", nonce: bad }, true)).toThrow(TypeError);
    }
  });

  test("has a request id of our own; the visitor's is a correlation when it has the form of one", () => {
    const subject = perimeterFor();
    const visit = subject.open(perimeterRequest({}, { "x-request-id": "abc-12345678" }));
    expect(visit).toMatchObject({ correlation: "abc-12345678" });
    expect(visit.requestId).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7/);
    expect(fieldsOf(subject.answerHeaders(visit, { profile: "api" }, false))["X-Request-ID"]).toBe(visit.requestId);
    for (const forged of [
      "a\r\nSet-Cookie: x",
      "short",
      "x".repeat(65),
      '","admin":true',
      "<script>alert(1)</script>",
    ]) {
      expect(subject.open(perimeterRequest({}, { "x-request-id": forged })).correlation).toBeUndefined();
    }
  });

  test("says where the client stands, unless the configuration keeps that to refusals", () => {
    for (const announce of [true, false]) {
      const subject = perimeterFor({ rates: { announce } });
      const visit = subject.open(perimeterRequest());
      void subject.admit(visit);
      const sent = fieldsOf(subject.answerHeaders(visit, { profile: "api" }, false));
      expect(sent["RateLimit"]).toBe(announce ? '"address";r=7' : undefined);
    }
  });
});

test("the log line of a request says what happened and where it came from", () => {
  const subject = perimeterFor();
  const visit = subject.open(
    perimeterRequest({ target: "/api?token=canary" }, { "user-agent": "curl/8", "x-forwarded-for": "127.0.0.1" }),
  );
  expect(subject.record(visit, { status: 403, bytes: 12, refusal: "access.denied" })).toMatchObject({
    requestId: visit.requestId,
    method: "GET",
    path: "/api",
    query: "token",
    address: "203.0.113.9",
    addressNote: "forwarded_ignored",
    userAgent: "curl/8",
    status: 403,
    refusal: "access.denied",
    durationMs: 0,
  });
});

test("unknown settings are errors, and an empty configuration is complete", () => {
  expect(() => parseConfig(PerimeterConfig, { trustProxy: true })).toThrow("unknown field");
  expect(() =>
    parseConfig(PerimeterConfig, { rates: { routes: { "Sign In": { limit: 1, periodSeconds: 1, burst: 1 } } } }),
  ).toThrow("rates.routes");
  expect(parseConfig(PerimeterConfig, {})).toMatchObject({
    trustedProxies: [],
    bodyBytes: 1_048_576,
    cors: { origins: [], credentials: false },
  });
});
