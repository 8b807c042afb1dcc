import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { sendBytes } from "./http.fixture.ts";
import { apiStage, PASSWORD, type Person, type Stage } from "./stage.fixture.ts";

let stage: Stage;
let owner: Person;

beforeAll(async () => {
  stage = await apiStage();
  owner = await stage.tenant("alpha-bank");
});
afterAll(() => stage.close());

// The process lives and still does its work, for the same person as before.
afterEach(async () => {
  expect((await stage.ask("GET", "/readyz")).status).toBe(200);
  expect((await stage.ask("GET", "/v1/session", { token: owner.token })).status).toBe(200);
});

const signIn = (raw: string | Buffer, headers = {}) => stage.ask("POST", "/v1/sign-in", { raw, headers });
const RIGHT = JSON.stringify({ tenant: "alpha-bank", email: "owner@alpha-bank.example", password: PASSWORD });

describe("a body", () => {
  test.each([
    ["that ends early", '{"tenant":"alpha-bank"'],
    ["that is no JSON", "tenant=alpha-bank"],
    ["that is empty", ""],
    ["with a member named twice", '{"tenant":"alpha-bank","tenant":"beta-bank","email":"a@b.c","password":"x"}'],
    ["with a member that names a prototype", '{"__proto__":{"role":"owner"},"tenant":"alpha-bank"}'],
    ["with a constructor", '{"constructor":{"prototype":{}},"tenant":"alpha-bank"}'],
    ["with an escaped prototype", '{"\\u005f_proto__":{"role":"owner"}}'],
    ["with half a surrogate pair", '{"tenant":"alpha-bank","email":"\\ud800@b.c","password":"x"}'],
    ["with a NUL", '{"tenant":"alpha-bank","email":"a\\u0000@b.c","password":"x"}'],
    ["with a number too large", '{"tenant":1e999}'],
    ["that is very deep", `${"[".repeat(5_000)}${"]".repeat(5_000)}`],
    ["with a byte order mark", "\ufeff{}"],
  ])("%s is refused", async (_, raw) => {
    const refused = await signIn(raw);
    expect([refused.status, refused.code]).toEqual([400, "request.malformed"]);
  });

  test.each([
    ["broken UTF-8", Buffer.from([0x7b, 0x22, 0xc3, 0x28, 0x22, 0x3a, 0x31, 0x7d])],
    ["an overlong form", Buffer.from([0x7b, 0x22, 0xc0, 0xaf, 0x22, 0x3a, 0x31, 0x7d])],
    ["UTF-16", Buffer.from(RIGHT, "utf16le")],
  ])("of %s is refused", async (_, raw) => {
    expect((await signIn(raw)).code).toBe("request.malformed");
  });

  test("longer than the route takes is refused, whether it says so or not", async () => {
    const long = JSON.stringify({ password: "x".repeat(20_000) });
    const refused = await signIn(long);
    expect([refused.status, refused.code]).toEqual([413, "request.too_large"]);
    const chunk = `4e20\r\n${"x".repeat(20_000)}\r\n`;
    const head = "POST /v1/sign-in HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n";
    const answer = await sendBytes(
      stage.port,
      `${head}transfer-encoding: chunked\r\nconnection: close\r\n\r\n${chunk}`,
    );
    expect(answer).toMatch(/^HTTP\/1\.1 (400|413) /);
  });

  test.each([
    "text/plain",
    "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=x",
    "application/json; charset=utf-16",
  ])("of the type %s is refused", async (type) => {
    const refused = await signIn(RIGHT, { "content-type": type });
    expect([refused.status, refused.code]).toEqual([415, "request.media_type"]);
  });

  test("with a field of another type names the field and repeats nothing of it", async () => {
    const refused = await signIn(JSON.stringify({ tenant: ["alpha-bank"], email: { $gt: "" }, password: 7 }));
    expect(refused.json).toMatchObject({
      code: "request.invalid",
      fields: ["body.tenant", "body.email", "body.password"],
    });
    expect(refused.text).not.toContain("$gt");
  });
});

describe("a request", () => {
  test.each(["/v1/nothing", "/v1", "/", "/v1/users/", "/V1/users", "//v1/users"])(
    "for %s finds nothing",
    async (path) => {
      const refused = await stage.ask("GET", path, { token: owner.token });
      expect([refused.status]).toEqual([expect.toBeOneOf([400, 404])]);
    },
  );

  test.each(["/v1/secrets/a%2Fb", "/v1/users/..%2f..%2fetc", "/v1/users/%00", "/v1/users/%zz", "/v1/\\users"])(
    "for %s is refused",
    async (path) => {
      const refused = await stage.ask("GET", path, { token: owner.token });
      expect(refused.status).toBe(400);
    },
  );

  test("with a very long address is refused", async () => {
    const refused = await stage.ask("GET", `/v1/users?after=${"a".repeat(8_100)}`, { token: owner.token });
    expect([refused.status, refused.code]).toEqual([414, "request.uri_too_long"]);
  });

  test("with two credentials is refused: two readers might each believe another", async () => {
    const headers = { cookie: `__Host-rw_session=${owner.token}` };
    const refused = await stage.ask("GET", "/v1/session", { token: owner.token, headers });
    expect([refused.status, refused.code]).toEqual([400, "request.malformed"]);
  });

  test("for another host is refused, so that no page rebinds a name to this server", async () => {
    const refused = await stage.ask("GET", "/v1/session", { token: owner.token, headers: { host: "evil.example" } });
    expect([refused.status, refused.code]).toEqual([421, "request.host_unknown"]);
  });

  test("that claims a tenant, a role or an address of its own is believed none of it", async () => {
    const headers = {
      "x-tenant-id": "platform",
      "x-user-role": "owner",
      "x-forwarded-for": "10.0.0.1",
      "x-ringwall-operator": "1",
    };
    const who = await stage.ask("GET", "/v1/session", { token: owner.token, headers });
    expect(who.json).toMatchObject({ tenant: "alpha-bank" });
    const refused = await stage.ask("POST", "/v1/bootstrap/links", { token: owner.token, headers });
    expect(refused.status).toBe(404);
  });

  test.each([
    ["nonsense", "NONSENSE\r\n\r\n"],
    ["two lengths", "POST /v1/sign-in HTTP/1.1\r\nhost: localhost\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nx"],
    [
      "a length and chunks",
      "POST /v1/sign-in HTTP/1.1\r\nhost: localhost\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    ],
    ["a header without end", `GET / HTTP/1.1\r\nhost: localhost\r\nx: ${"a".repeat(20_000)}\r\n\r\n`],
    ["a NUL in a header", "GET / HTTP/1.1\r\nhost: localhost\r\nx: a\0b\r\n\r\n"],
    ["no host", "GET /healthz HTTP/1.1\r\nconnection: close\r\n\r\n"],
    ["TLS", Buffer.from("16030100a5010000a10303", "hex")],
  ])("of %s is answered with a refusal or closed", async (_, bytes) => {
    const answer = await sendBytes(stage.port, bytes);
    expect(answer === "" || /^HTTP\/1\.1 4\d\d /.test(answer), answer.slice(0, 100)).toBe(true);
  });
});

describe("another site", () => {
  const act = async (headers: Record<string, string>) =>
    await stage.ask("DELETE", "/v1/sessions/0198c6f2-6d3f-7a10-9c55-5e8a2f0b7d11", {
      headers: { cookie: `__Host-rw_session=${owner.token}`, ...headers },
    });

  test.each([
    ["names itself", { "origin": "https://evil.example", "sec-fetch-site": "cross-site" }],
    ["is a sibling", { "origin": `http://api.localhost:1`, "sec-fetch-site": "same-site" }],
    ["is a sandboxed frame", { "origin": "null", "sec-fetch-site": "cross-site" }],
    ["hides its origin", { "sec-fetch-site": "cross-site" }],
    ["says nothing", {}],
  ])("that %s makes a browser do nothing here", async (_, headers) => {
    const refused = await act(headers);
    expect(refused.status).toBe(403);
    expect(refused.code).toBeOneOf(["request.cross_site", "request.origin_refused"]);
  });

  test("differs in that from this one", async () => {
    const own = await act({ "origin": `http://127.0.0.1:${stage.port}`, "sec-fetch-site": "same-origin" });
    expect([own.status, own.code]).toEqual([404, "resource.not_found"]);
  });

  test("cannot sign a browser in as somebody else", async () => {
    const refused = await signIn(RIGHT, { "origin": "https://evil.example", "sec-fetch-site": "cross-site" });
    expect(refused.status).toBe(403);
    expect(refused.headers["set-cookie"]).toBeUndefined();
  });

  test("reads nothing: no answer allows its origin", async () => {
    const headers = { "origin": "https://evil.example", "access-control-request-method": "GET" };
    const preflight = await stage.ask("OPTIONS", "/v1/session", { headers });
    expect(preflight.status).toBeGreaterThanOrEqual(400);
    expect(preflight.headers["access-control-allow-origin"]).toBeUndefined();
  });
});

describe("what is said", () => {
  test("to somebody who is signed in is not kept by caches", async () => {
    const who = await stage.ask("GET", "/v1/session", { token: owner.token });
    expect(who.headers["cache-control"]).toBe("no-store");
  });

  test("in the log holds no password, token, code or link", async () => {
    await signIn(RIGHT);
    await stage.operator("POST", "/v1/invitations", {
      body: { email: "logged@alpha-bank.example", role: "viewer", tenant: "alpha-bank" },
    });
    const log = stage.lines.join("\n");
    expect(log).not.toContain(PASSWORD);
    expect(log).not.toContain(owner.token);
    expect(log).not.toMatch(/rw[a-z]_[\w-]{43}/);
    expect(log).not.toContain("logged@alpha-bank.example");
  });

  test("by the log about a request has its id, as the answer does", async () => {
    const { headers } = await stage.ask("GET", "/v1/users?after=x", { token: owner.token });
    expect(stage.lines.join("\n")).toContain(String(headers["x-request-id"]));
  });
});

test("signing in too often is refused with the time to wait, from one address whatever the account", async () => {
  const limited = await apiStage({ rates: true });
  const codes = new Set<string | undefined>();
  for (let turn = 0; turn < 25; turn += 1) {
    const body = { tenant: "no-such-bank", email: `a${turn}@b.example`, password: "not a password" };
    const answer = await limited.ask("POST", "/v1/sign-in", { body });
    codes.add(answer.code);
    if (answer.status === 429) expect(Number(answer.headers["retry-after"])).toBeGreaterThan(0);
  }
  expect(codes).toEqual(new Set(["identity.sign_in_failed", "request.rate_limited"]));
  expect((await limited.ask("GET", "/healthz")).status).toBe(200);
  await limited.close();
});
