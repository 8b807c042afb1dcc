import { isUuid } from "ringwall/core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { bankRoutes } from "./server.ts";
import { type Answered, type BankStage, bankStage } from "./stage.fixture.ts";

let stage: BankStage;
beforeAll(async () => {
  stage = await bankStage();
});
afterAll(async () => {
  await stage.close();
});

const PROBLEM = /^application\/problem\+json(; charset=utf-8)?$/;
const GUARDS: Readonly<Record<string, string>> = { "x-content-type-options": "nosniff", "x-frame-options": "DENY" };

function expectGuarded({ headers, status }: Answered): void {
  for (const [name, value] of Object.entries(GUARDS)) expect(headers.get(name)).toBe(value);
  expect(headers.get("referrer-policy")).toBe("strict-origin-when-cross-origin");
  expect(headers.get("permissions-policy")).toContain("camera=()");
  expect(headers.get("content-security-policy")).toMatch(/default-src 'none'.*frame-ancestors 'none'/);
  expect(headers.get("cache-control")).toBe("no-store");
  expect(isUuid(headers.get("x-request-id"))).toBe(true);
  for (const name of ["x-powered-by", "server"]) expect(headers.get(name)).toBeNull();
  // What a browser must not do over plain http is not asked of it.
  expect([status, headers.get("strict-transport-security")]).toEqual([status, null]);
}

test("every answer carries the security headers and a request id: found, refused, missing and broken", async () => {
  const { ask, north } = stage;
  const answers = [
    await ask("GET", "/healthz"),
    await ask("GET", "/readyz"),
    await ask("GET", "/"),
    await ask("GET", "/bank.js"),
    await ask("GET", "/api/session", { as: north.ann }),
    await ask("GET", "/api/session"),
    await ask("GET", "/api/nothing"),
    await ask("PUT", "/api/session", { as: north.ann, body: {} }),
    await ask("PATCH", "/api/session", { as: north.ann, body: {} }),
    await ask("HEAD", "/"),
    await ask("OPTIONS", "/api/session"),
    await ask("POST", "/api/sign-in", { body: "{" }),
    await ask("POST", "/api/sign-in", {
      body: "a=b",
      headers: { "content-type": "application/x-www-form-urlencoded" },
    }),
    await ask("GET", `/${"a".repeat(9_000)}`),
  ];
  expect(answers.map(({ status }) => status)).toEqual([
    200, 200, 200, 200, 200, 401, 404, 404, 405, 404, 404, 400, 415, 414,
  ]);
  for (const answer of answers) expectGuarded(answer);
  const ids = answers.map(({ headers }) => headers.get("x-request-id"));
  expect(new Set(ids).size).toBe(answers.length);
});

test("an address that the router cannot read is refused with a problem document", async () => {
  const { ask, north } = stage;
  for (const [path, status] of [
    ["/api/accounts/%E0%A4%A", 400],
    ["/%zz", 400],
    [`/api/accounts/${"a".repeat(300)}`, 414],
  ] as const) {
    const answer = await ask("GET", path, { as: north.ann });
    expect([path, answer.status, answer.headers.get("content-type")]).toEqual([
      path,
      status,
      expect.stringMatching(PROBLEM),
    ]);
    expect(answer.body.request_id).toBe(answer.headers.get("x-request-id"));
    expectGuarded(answer);
  }
});

test("a refusal is a problem document with the answer's request id, and the visitor's own id is not taken", async () => {
  const { ask } = stage;
  const answer = await ask("GET", "/api/session", { headers: { "x-request-id": "visitor-0000001" } });
  expect(answer.headers.get("content-type")).toMatch(PROBLEM);
  expect(answer.headers.get("www-authenticate")).toBe("Bearer");
  expect(answer.body).toEqual({
    type: "urn:ringwall:error:identity.sign_in_required",
    title: "Sign in first.",
    status: 401,
    code: "identity.sign_in_required",
    request_id: answer.headers.get("x-request-id"),
  });
  const line = stage.lines.find((one) => one.includes(answer.body.request_id));
  expect(JSON.parse(line ?? "{}")).toMatchObject({ method: "GET", path: "/api/session", status: 401 });
});

const deep = (depth: number): string => `${"[".repeat(depth)}${"]".repeat(depth)}`;

test("bodies that are not what they should be are refused with a problem document, and the process lives", async () => {
  const { ask, north } = stage;
  const before = await stage.at.owner.query("select count(*) from bank.document");
  const broken: readonly (readonly [string, string | Buffer, number])[] = [
    ["empty", "", 400],
    ["not JSON", "title=T", 400],
    ["cut off", '{"title":"T","body":"', 400],
    ["more after it", '{"title":"T","body":""}{}', 400],
    ["broken UTF-8", Buffer.from([0x7b, 0x22, 0xff, 0xfe, 0x22, 0x3a, 0x31, 0x7d]), 400],
    ["overlong UTF-8", Buffer.concat([Buffer.from('{"title":"'), Buffer.from([0xc0, 0xaf]), Buffer.from('"}')]), 400],
    ["a byte order mark", Buffer.from('\uFEFF{"title":"T","body":""}'), 400],
    ["UTF-16", Buffer.from('{"title":"T","body":""}', "utf16le"), 400],
    ["half a surrogate pair", '{"title":"\\ud800","body":""}', 400],
    ["a NUL", '{"title":"T","body":"\\u0000"}', 400],
    ["a member twice", '{"title":"T","title":"U","body":""}', 400],
    ["a member twice, escaped", '{"title":"T","\\u0074itle":"U","body":""}', 400],
    ["__proto__", '{"__proto__":{"role":"owner"},"title":"T","body":""}', 400],
    ["constructor", '{"constructor":{"prototype":{"x":1}},"title":"T","body":""}', 400],
    ["deep", `{"title":${deep(5_000)},"body":""}`, 400],
    ["very deep", deep(200_000), 400],
    ["many members", `{${Array.from({ length: 20_000 }, (_, index) => `"k${index}":1`).join()}}`, 400],
    ["an array", "[]", 400],
    ["null", "null", 400],
    ["a number", "1e999", 400],
    ["huge", `{"title":"T","body":"${"x".repeat(1_100_000)}"}`, 413],
  ];
  for (const [what, body, status] of broken) {
    const answer = await ask("POST", "/api/documents", { as: north.ann, body });
    expect([what, answer.status, answer.headers.get("content-type")]).toEqual([
      what,
      status,
      expect.stringMatching(PROBLEM),
    ]);
    expect(answer.body.request_id).toBe(answer.headers.get("x-request-id"));
    expectGuarded(answer);
  }
  expect(await stage.at.owner.query("select count(*) from bank.document")).toEqual(before);
  expect(({} as Record<string, unknown>)["role"]).toBeUndefined();
  expect((await ask("GET", "/readyz")).body).toEqual({ status: "ready" });
});

test("heads that two readers would read differently are refused", async () => {
  const { north, raw } = stage;
  const bearer = `Authorization: Bearer ${north.ann.token}\r\n`;
  const body = '{"title":"T","body":""}';
  const head = (fields: string, line = "POST /api/documents HTTP/1.1"): string =>
    `${line}\r\nHost: localhost\r\nContent-Type: application/json\r\nConnection: close\r\n${bearer}${fields}\r\n`;
  const refused = [
    head(`Content-Length: ${body.length}\r\nContent-Length: 5\r\n`) + body,
    head(`Content-Length: ${body.length}\r\nTransfer-Encoding: chunked\r\n`) + body,
    head(`Content-Length: +${body.length}\r\n`) + body,
    head(`Transfer-Encoding: xchunked\r\n`) + body,
    head(`Host: evil.example\r\nContent-Length: ${body.length}\r\n`) + body,
    head(`${bearer}Content-Length: ${body.length}\r\n`) + body,
    head("Content-Length: 2\r\n", "GET /api/session HTTP/1.1") + "{}",
    head("", "GET http://evil.example/api/session HTTP/1.1"),
    head("X-A: b\rX-C: d\r\n"),
    "GET / HTTP/1.1\r\nConnection: close\r\n\r\n",
    "GET /\r\n\r\n",
    "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
    head(`X-Filler: ${"x".repeat(20_000)}\r\n`),
    `GET / HTTP/1.1\r\nHost: bank.example.com\r\nConnection: close\r\n\r\n`,
  ];
  for (const sent of refused) {
    const answer = await raw(sent);
    expect([sent.slice(0, 200), answer]).toEqual([
      sent.slice(0, 200),
      expect.stringMatching(/^HTTP\/1\.1 (400|413|421|431) [\s\S]*"code":"request\./),
    ]);
    expect(answer).toMatch(/\r\nx-content-type-options: nosniff\r\n/i);
  }
  expect((await stage.ask("GET", "/healthz")).status).toBe(200);
});

test("a tenant that a request names is nobody's tenant", async () => {
  const { ask, north, south } = stage;
  const headers = { "x-tenant-id": "southbank", "x-forwarded-host": "southbank.example", "x-user": south.owner.user };
  const { body } = await ask("GET", "/api/session", { as: north.ann, headers });
  expect(body).toMatchObject({ tenant: "northbank", user: north.ann.user });
  expect((await ask("GET", "/api/session?tenant=southbank", { as: north.ann })).body.code).toBe("request.invalid");
});

test("a process that ends says so before it closes", async () => {
  stage.drain();
  const { body, headers, status } = await stage.ask("GET", "/readyz");
  expect([status, body.code]).toEqual([503, "database.unavailable"]);
  expect(headers.get("content-type")).toMatch(PROBLEM);
  expect((await stage.ask("GET", "/healthz")).status).toBe(200);
});

test("every route of the bank says who may come, and only signing in, the page and health are public", () => {
  const routes = bankRoutes(stage.bank).map(({ method, policy, url }) => [`${method} ${url}`, policy.access] as const);
  const open = routes.flatMap(([name, access]) => (access === "public" ? [name] : []));
  expect(open).toEqual([
    "GET /healthz",
    "GET /readyz",
    "GET /",
    "GET /bank.css",
    "GET /bank.js",
    "GET /money.js",
    "POST /api/sign-in",
    "POST /api/sign-in/code",
  ]);
  expect(new Set(routes.map(([name]) => name)).size).toBe(routes.length);
});
