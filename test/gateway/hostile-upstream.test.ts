import { once } from "node:events";
import { connect } from "node:net";
import { afterAll, beforeAll, expect, test } from "vitest";
import { WebSocket } from "ws";
import { ask, rawExchange } from "./http.ts";
import { type GatewayStage, gatewayStage } from "./stage.ts";

let at: GatewayStage;
beforeAll(async () => {
  at = await gatewayStage();
});
afterAll(async () => {
  await at.close();
});

const open = { host: "open.localhost" };
const bearer = (token: string): Record<string, string> => ({ authorization: `Bearer ${token}` });

/** The upstream answers these fields, whatever it is asked. */
function answering(fields: Readonly<Record<string, string | string[]>>): void {
  at.upstream.answer = (_request, response) => {
    response.writeHead(200, fields);
    response.end("ok");
  };
}

test("an answer says nothing of the host that would lead browsers past the gateway or throw other hosts' cookies away", async () => {
  answering({
    "alt-svc": 'h2="evil.example:443"; ma=86400',
    "clear-site-data": '"*"',
    "strict-transport-security": "max-age=0",
    "server": "old/1.0",
    "x-powered-by": "old",
    "x-ringwall-session": "forged",
    "x-request-id": "forged",
    "x-kept": "1",
  });
  const { headers, status } = await ask(at.port, open);
  expect([status, headers["x-kept"]]).toEqual([200, "1"]);
  const dropped = ["alt-svc", "clear-site-data", "strict-transport-security", "server", "x-powered-by"];
  for (const name of [...dropped, "x-ringwall-session"]) expect([name, headers[name]]).toEqual([name, undefined]);
  expect(headers["x-request-id"]).toMatch(/^[0-9a-f-]{36}$/);
});

test("fields of the connection to the upstream stay there, and those that Connection names", async () => {
  answering({
    "connection": "close, X-Inner, X-Content-Type-Options",
    "x-inner": "1",
    "x-content-type-options": "sniff",
    "proxy-authenticate": "Basic",
    "keep-alive": "timeout=1",
    "trailer": "X-Late",
  });
  const { headers } = await ask(at.port, open);
  for (const name of ["x-inner", "proxy-authenticate", "trailer"]) expect(headers[name]).toBeUndefined();
  // What the perimeter says is said where the upstream's own word went.
  expect(headers["x-content-type-options"]).toBe("nosniff");
});

test("the application's own policy for its pages goes through, and an application without one gets the perimeter's fields", async () => {
  answering({ "content-security-policy": "default-src 'self'", "x-frame-options": "SAMEORIGIN" });
  expect((await ask(at.port, open)).headers).toMatchObject({
    "content-security-policy": "default-src 'self'",
    "x-frame-options": "SAMEORIGIN",
    "x-content-type-options": "nosniff",
  });
});

test.each<[string, string]>([
  ["our name", "__Host-rw_gateway=planted; Path=/; Secure"],
  ["our name in other letters", "__HOST-RW_gateway=planted; Path=/; Secure"],
  ["the sign-in's", "__Host-rw_sign_in=planted; Path=/; Secure"],
  ["no name, which browsers send back as ours", "=__Host-rw_gateway=planted; Path=/"],
  ["no name and no sign", "__Host-rw_gateway"],
  ["blanks before it", " \t__Host-rw_state=planted"],
  ["blanks before a name that is none", " = __Host-rw_state=planted"],
  ["a domain, from where it would reach every host", "rw_gateway=planted; Domain=localhost"],
])("an upstream cannot plant a cookie with %s", async (_what, cookie) => {
  answering({ "set-cookie": [cookie, "theme=dark; Path=/"] });
  expect((await ask(at.port, open)).headers["set-cookie"]).toEqual(["theme=dark; Path=/"]);
});

test("what somebody who is signed in gets is kept by no shared cache, whatever the application says", async () => {
  const { ann } = at.stage.north;
  const signedIn = { host: "a.localhost", headers: bearer(ann.token) };
  const said = async (fields: Record<string, string>): Promise<unknown> => {
    answering(fields);
    return (await ask(at.port, signedIn)).headers["cache-control"];
  };
  expect(await said({})).toContain("no-store");
  expect(await said({ "cache-control": "public, s-maxage=600, max-age=60" })).toBe("private, max-age=60");
  expect(await said({ "cache-control": "max-age=60" })).toBe("private, max-age=60");
  expect(await said({ "cache-control": "no-store" })).toBe("no-store");
  answering({
    "surrogate-control": "max-age=600",
    "cdn-cache-control": "max-age=600",
    "x-cdn-cache-control": "public",
  });
  const { headers } = await ask(at.port, signedIn);
  for (const name of ["surrogate-control", "cdn-cache-control", "x-cdn-cache-control"]) {
    expect([name, headers[name]]).toEqual([name, undefined]);
  }
  // What is for everybody is the application's to say.
  answering({ "cache-control": "public, s-maxage=600" });
  expect((await ask(at.port, open)).headers["cache-control"]).toBe("public, s-maxage=600");
});

test.each<[string, string]>([
  ["a bare carriage return in a value", "HTTP/1.1 200 OK\r\nX-A: a\rSet-Cookie: x=y\r\nContent-Length: 2\r\n\r\nok"],
  ["a NUL in a value", "HTTP/1.1 200 OK\r\nX-A: a\0b\r\nContent-Length: 2\r\n\r\nok"],
  ["a control in a value", "HTTP/1.1 200 OK\r\nX-A: a\x01b\r\nContent-Length: 2\r\n\r\nok"],
  ["a name with a blank", "HTTP/1.1 200 OK\r\nX A: a\r\nContent-Length: 2\r\n\r\nok"],
  [
    "a length and an encoding",
    "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
  ],
  ["a length that is none", "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\nok"],
  ["a length twice", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nok"],
  ["an encoding that is none", "HTTP/1.1 200 OK\r\nTransfer-Encoding: xchunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"],
  ["a status that is none", "HTTP/1.1 9 OK\r\nContent-Length: 2\r\n\r\nok"],
  ["another protocol", "ICY 200 OK\r\n\r\nok"],
  ["a thousand fields", `HTTP/1.1 200 OK\r\n${"X: y\r\n".repeat(8_000)}\r\nok`],
  ["continuing for ever", "HTTP/1.1 100 Continue\r\n\r\n".repeat(10)],
])("an answer with %s splits nothing: it is a 502, or its fields are what they were", async (_what, bytes) => {
  at.upstream.answer = (request) => request.socket.end(bytes, "latin1");
  const text = await rawExchange(at.port, "GET / HTTP/1.1\r\nHost: open.localhost\r\nConnection: close\r\n\r\n");
  expect(text).toMatch(/^HTTP\/1\.1 502 /);
  expect(text.match(/HTTP\/1\.1/g)).toHaveLength(1);
  expect(text).not.toMatch(/\r\nset-cookie: x=y/i);
  expect(text).not.toMatch(/node:|\.ts:|stack/i);
});

test("a body longer than its length does not become the next visitor's answer", async () => {
  at.upstream.answer = (request) =>
    request.socket.end(
      "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison",
    );
  const first = await rawExchange(at.port, "GET / HTTP/1.1\r\nHost: open.localhost\r\nConnection: close\r\n\r\n");
  expect(first).not.toContain("poison");
  answering({});
  for (let times = 0; times < 4; times += 1) expect((await ask(at.port, open)).text).toBe("ok");
});

test("an answer to HEAD, and one without content, say a length and send nothing", async () => {
  at.upstream.answer = (request, response) => {
    if (request.method !== "HEAD") response.writeHead(304, { etag: '"x"' });
    else response.writeHead(200, { "content-length": "1000" });
    response.end();
  };
  const head = await rawExchange(at.port, "HEAD / HTTP/1.1\r\nHost: open.localhost\r\nConnection: close\r\n\r\n");
  expect(head).toMatch(/^HTTP\/1\.1 200 [\s\S]*content-length: 1000\r\n[\s\S]*\r\n\r\n$/i);
  const unchanged = await rawExchange(at.port, "GET / HTTP/1.1\r\nHost: open.localhost\r\nConnection: close\r\n\r\n");
  expect(unchanged).toMatch(/^HTTP\/1\.1 304 [\s\S]*\r\n\r\n$/);
});

test.each<[string, string]>([
  ["something else than a WebSocket", "Upgrade: h2c\r\n"],
  ["a WebSocket without the proof", "Upgrade: websocket\r\n"],
  ["a WebSocket with another proof", "Upgrade: websocket\r\nSec-WebSocket-Accept: AAAAAAAAAAAAAAAAAAAAAAAAAAA=\r\n"],
])("an upstream that agrees to %s gets no tunnel", async (_what, fields) => {
  at.upstream.server.removeAllListeners("upgrade");
  at.upstream.server.on("upgrade", (_request, socket) => {
    socket.write(`HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n${fields}\r\n`);
  });
  const socket = new WebSocket(`ws://127.0.0.1:${at.port}/live`, { headers: { host: "open.localhost" } });
  const [error] = (await once(socket, "error")) as [Error];
  expect(error.message).toContain("502");
});

test("a handshake that is none gets no tunnel, and the upstream hears nothing of it", async () => {
  let upgrades = 0;
  at.upstream.server.removeAllListeners("upgrade");
  at.upstream.server.on("upgrade", (_request, socket) => {
    upgrades += 1;
    socket.destroy();
  });
  for (const fields of [
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Version: 1337\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: short",
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nContent-Length: 5",
  ]) {
    const head = `GET / HTTP/1.1\r\nHost: open.localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n${fields}\r\n\r\nhello`;
    expect(await rawExchange(at.port, head)).toMatch(/^HTTP\/1\.1 400 /);
  }
  expect(upgrades).toBe(0);
});

test("a visitor who reads nothing of an answer is let go of, and holds no connection of the upstream", async () => {
  let cut = false;
  at.upstream.answer = (request, response) => {
    request.socket.once("close", () => (cut = true));
    const more = (): void => {
      while (response.write(Buffer.alloc(256_000)));
      response.once("drain", more);
    };
    more();
  };
  const socket = connect(at.port, "127.0.0.1");
  socket.on("error", () => {});
  socket.write("GET / HTTP/1.1\r\nHost: open.localhost\r\n\r\n");
  await once(socket, "readable");
  await expect
    .poll(async () => {
      await at.advance(10_000);
      await at.gateway.sweep();
      return cut;
    })
    .toBe(true);
  socket.destroy();
});
