import { once } from "node:events";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { WebSocket, WebSocketServer } from "ws";
import { HOST_COOKIE, SealedCookies, STATE_COOKIE } from "../../apps/gateway/sealed-cookies.ts";
import type { Customer } from "../../examples/bank/stage.fixture.ts";
import { memoryCounters } from "../../src/adapters/memory/index.ts";
import { ask, rawExchange } from "./http.ts";
import { type GatewayStage, gatewayStage } from "./stage.ts";

let at: GatewayStage;
let ann: Customer;
let cookie = "";
beforeAll(async () => {
  at = await gatewayStage();
  ann = at.stage.north.ann;
  cookie = await cookieAt("a.localhost");
});
afterAll(async () => {
  await at.close();
});
beforeEach(() => {
  at.upstream.seen.length = 0;
  at.upstream.answer = (request, response) => {
    request.resume();
    request.once("end", () => response.end("reached"));
  };
});

async function cookieAt(host: string): Promise<string> {
  const { clock, ringwall } = at.stage;
  const sealing = new SealedCookies({ keys: ringwall.keys, counters: memoryCounters({ clock }), clock });
  return (await sealing.cookie(HOST_COOKIE, host, ann.token)).split(";", 1)[0] ?? "";
}

const openHost = "Host: open.localhost\r\nConnection: close\r\n";

test("another site's page opens no WebSocket with the visitor's cookie, and the host's own page does", async () => {
  const echo = new WebSocketServer({ noServer: true });
  let upgrades = 0;
  at.upstream.server.on("upgrade", (request, socket, head) => {
    upgrades += 1;
    echo.handleUpgrade(request, socket, head, () => {});
  });
  const dial = (headers: Record<string, string>): WebSocket =>
    new WebSocket(`ws://127.0.0.1:${at.port}/live`, {
      headers: { host: `a.localhost:${at.port}`, cookie, ...headers },
    });
  for (const headers of [
    { origin: "https://evil.example" },
    { origin: "null" },
    // A page of the next host is of the same site and another origin: it gets no socket in this host's name.
    { origin: `http://b.localhost:${at.port}` },
    { origin: `http://a.localhost:1` },
    { "sec-fetch-site": "cross-site" },
    // A cookie without a word on where it comes from is no program's, and no browser's of this decade.
    {},
    { "origin": `http://a.localhost:${at.port}`, "sec-fetch-site": "cross-site" },
    { "sec-fetch-site": "same-site", "origin": `http://b.localhost:${at.port}` },
  ]) {
    const socket = dial(headers);
    const { promise, resolve } = Promise.withResolvers<string>();
    socket.once("error", (error: Error) => resolve(error.message));
    socket.once("open", () => resolve("open"));
    expect([headers, await promise]).toEqual([headers, expect.stringContaining("403")]);
  }
  expect(upgrades).toBe(0);
  const own = dial({ "origin": `http://a.localhost:${at.port}`, "sec-fetch-site": "same-origin" });
  await once(own, "open");
  own.close();
  await once(own, "close");
  at.upstream.server.removeAllListeners("upgrade");
  echo.close();
});

test("a cookie of another host, an altered, a doubled and an endless one are nobody", async () => {
  const status = async (value: string, host = "a.localhost"): Promise<number> =>
    (await ask(at.port, { host, headers: { cookie: value } })).status;
  expect(await status(cookie)).toBe(200);
  expect(await status(cookie, "b.localhost")).toBe(401);
  expect(await status(await cookieAt("b.localhost"))).toBe(401);
  expect(await status(`${cookie.slice(0, -1)}${cookie.endsWith("A") ? "B" : "A"}`)).toBe(401);
  expect(await status(`${HOST_COOKIE}=${"A".repeat(6_000)}`)).toBe(401);
  expect(await status(`${HOST_COOKIE}=`)).toBe(401);
  expect(await status(`${cookie}; ${HOST_COOKIE}=other`)).toBe(400);
  const twice = `GET / HTTP/1.1\r\nHost: a.localhost\r\nConnection: close\r\nCookie: ${cookie}\r\nCookie: ${cookie}\r\n\r\n`;
  expect(await rawExchange(at.port, twice)).toMatch(/^HTTP\/1\.1 400 /);
});

test("nobody is led anywhere but to the sign-in host, and nothing of that is kept", async () => {
  const open = async (path: string, host = "a.localhost"): Promise<Awaited<ReturnType<typeof ask>>> =>
    await ask(at.port, { host, path, headers: { "sec-fetch-mode": "navigate", "accept": "text/html" } });
  for (const path of [
    "/",
    "/x?next=https://evil.example",
    "/%0d%0aSet-Cookie:x=y",
    "/.ringwall%2esign-in",
    "/x@evil.example",
  ]) {
    const answer = await open(path);
    expect([path, answer.status]).toEqual([path, 302]);
    const url = new URL(answer.headers.location ?? "");
    expect([url.host, url.pathname]).toEqual([`sign-in.localhost:${at.port}`, "/.ringwall/sign-in"]);
    expect(answer.headers["cache-control"]).toContain("no-store");
    expect(answer.headers["set-cookie"]).toHaveLength(1);
    expect(answer.headers["set-cookie"]?.[0]).toMatch(
      /^__Host-rw_state=[^;]+; Path=\/; Secure; HttpOnly; SameSite=Lax; Max-Age=600$/,
    );
  }
  for (const path of ["//evil.example", "/\\evil.example", "/%2f%2fevil.example", "/..%2f..", "http://evil.example/"]) {
    const answer = await open(path);
    expect([path, answer.status, answer.headers.location]).toEqual([path, 400, undefined]);
  }
  expect((await open("/", "evil.example")).headers.location).toBeUndefined();
});

test("what a browser kept, and what its owner wrote into it, leads to no other host and plants no field", async () => {
  const { clock, ringwall } = at.stage;
  const sealing = new SealedCookies({ keys: ringwall.keys, counters: memoryCounters({ clock }), clock });
  const { challengeOf } = await import("../../apps/gateway/sealed-cookies.ts");
  const verifier = "v".repeat(43);
  const back = async (target: string): Promise<Awaited<ReturnType<typeof ask>>> => {
    const code = await sealing.code(`a.localhost:${at.port}`, challengeOf(verifier), ann.token);
    const state = `${STATE_COOKIE}=${verifier}.${Buffer.from(target).toString("base64url")}`;
    return await ask(at.port, {
      host: "a.localhost",
      path: `/.ringwall/callback?code=${code}`,
      headers: { cookie: state },
    });
  };
  for (const target of [
    "https://evil.example/",
    "//evil.example/",
    "/\\evil.example/",
    "\\\\evil.example",
    "javascript:alert(1)",
    "/x\r\nSet-Cookie: planted=1",
    "/\t/evil.example",
    "/.ringwall/sign-out",
    `/x?token=${ann.token}`,
    "",
  ]) {
    const answer = await back(target);
    expect([target, answer.status, answer.headers.location]).toEqual([target, 302, "/"]);
    expect(answer.headers["set-cookie"]?.every((one) => one.startsWith("__Host-rw_"))).toBe(true);
    expect(answer.headers["cache-control"]).toContain("no-store");
  }
  expect((await back("/right?a=b")).headers.location).toBe("/right?a=b");
});

test("a link signs nobody out", async () => {
  const answer = await ask(at.port, { host: "a.localhost", path: "/.ringwall/sign-out", headers: { cookie } });
  expect([answer.status, answer.headers["set-cookie"]]).toEqual([200, undefined]);
  expect((await ask(at.port, { host: "a.localhost", headers: { cookie } })).status).toBe(200);
});

test("our own places are the gateway's in every spelling, at every host, with every method", async () => {
  for (const path of ["/.ringwall/anything", "/.ringwall/", "/.well-known/ringwall/other", "/.ringwall/sign-in/"]) {
    expect([path, (await ask(at.port, { host: "open.localhost", path })).status]).toEqual([path, 404]);
  }
  for (const path of [
    "/.ringwall%2fsign-in",
    "/x/../.ringwall/sign-in",
    "//.ringwall/sign-in",
    "/./.ringwall/sign-in",
  ]) {
    expect([path, (await ask(at.port, { host: "open.localhost", path })).status]).toEqual([path, 400]);
  }
  expect((await ask(at.port, { host: "open.localhost", path: "/.ringwall/sign-in" })).status).toBe(404);
  expect((await ask(at.port, { host: "open.localhost", path: "/.ringwall/sign-out", method: "DELETE" })).status).toBe(
    404,
  );
  expect(at.upstream.seen).toEqual([]);
});

test.each([
  "/admin%3fx",
  "/admin%23x",
  "/admin%20",
  "/admin%09/x",
  "/%EF%BD%81dmin",
  "/%EF%BC%8Fadmin",
  "/a%CC%80dmin/../admin",
  "/admin%253fx",
  "/%c0%afadmin",
  "/admin%00",
  "/x;/../admin",
  "/x/..;/admin",
])("%s is no way round the role of /admin", async (path) => {
  const answer = await ask(at.port, { host: "a.localhost", path, headers: { cookie } });
  expect([answer.status, at.upstream.seen.length]).toEqual([400, 0]);
});

test("what goes on is what was decided about: the target arrives as it came", async () => {
  for (const path of ["/x/y?a=%2e%2e/&b=//c", "/a%20b", "/ADM/x", "/x?/../admin", "/x;y=z"]) {
    at.upstream.seen.length = 0;
    await ask(at.port, { host: "open.localhost", path });
    expect(at.upstream.seen.map(({ url }) => url)).toEqual([path]);
  }
});

test("fields after a chunked body are no fields of the request", async () => {
  const trailers = "X-Forwarded-User: root\r\nX-Ringwall-Assertion: forged\r\nContent-Length: 5\r\n";
  const head = `POST / HTTP/1.1\r\n${openHost}Trailer: X-Forwarded-User\r\nTransfer-Encoding: chunked\r\n\r\n`;
  await rawExchange(at.port, `${head}2\r\nok\r\n0\r\n${trailers}\r\n`);
  for (const { rawHeaders, rawTrailers } of at.upstream.seen) {
    expect(rawTrailers).toEqual([]);
    expect(rawHeaders.join()).not.toMatch(/root|forged|trailer/i);
  }
});

test("an older protocol has no chunks, and no second request behind them", async () => {
  const smuggled = "GET /smuggled HTTP/1.1\r\nHost: open.localhost\r\n\r\n";
  const head =
    "POST / HTTP/1.0\r\nHost: open.localhost\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n";
  const text = await rawExchange(
    at.port,
    `${head}0\r\n\r\n${smuggled.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n")}`,
  );
  expect(text).toMatch(/^HTTP\/1\.1 400 /);
  expect(at.upstream.seen).toEqual([]);
  const plain = await rawExchange(at.port, "GET /old HTTP/1.0\r\nHost: open.localhost\r\n\r\n");
  expect(plain).toMatch(/^HTTP\/1\.1 200 [\s\S]*reached$/);
  expect(plain).not.toMatch(/transfer-encoding/i);
});

test("an expectation is met here, and one that nobody knows is refused", async () => {
  const wait = `POST / HTTP/1.1\r\n${openHost}Expect: 100-continue\r\nContent-Length: 2\r\n\r\nok`;
  expect(await rawExchange(at.port, wait)).toMatch(/^HTTP\/1\.1 100 Continue\r\n\r\nHTTP\/1\.1 200 /);
  expect(at.upstream.seen[0]?.headers.expect).toBeUndefined();
  const odd = `POST / HTTP/1.1\r\n${openHost}Expect: the-best\r\nContent-Length: 2\r\n\r\nok`;
  expect(await rawExchange(at.port, odd)).toMatch(/^HTTP\/1\.1 417 /);
  expect(at.upstream.seen).toHaveLength(1);
});

test("keys that are exchanged stop no request; without one in its time nothing is signed, and nothing goes on unsigned", async () => {
  const asked = async (): Promise<Awaited<ReturnType<typeof ask>>> => await ask(at.port, { path: "/api/session" });
  // Nobody's session, and the bank's own word on it: the assertion was taken.
  expect((await asked()).status).toBe(401);
  await at.keys.rotate();
  expect((await asked()).status).toBe(401);
  await at.advance(40 * 86_400_000);
  const unsigned = await asked();
  expect([unsigned.status, JSON.parse(unsigned.text)]).toMatchObject([503, { code: "keys.unavailable" }]);
  await at.keys.refresh();
  expect((await asked()).status).toBe(401);
});
