import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { rawExchange } from "./http.ts";
import { type GatewayStage, gatewayStage } from "./stage.ts";

let at: GatewayStage;
beforeAll(async () => {
  at = await gatewayStage({ times: { headMs: 300, requestMs: 600, checkMs: 100 } });
});
afterAll(async () => {
  await at.close();
});
beforeEach(() => {
  at.upstream.seen.length = 0;
});

const HOST = "Host: open.localhost";
const SMUGGLED = "GET /smuggled HTTP/1.1\r\nHost: open.localhost\r\n\r\n";

test.each<[string, string]>([
  ["two lengths", `POST / HTTP/1.1\r\n${HOST}\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello${SMUGGLED}`],
  [
    "TE and CL",
    `POST / HTTP/1.1\r\n${HOST}\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${SMUGGLED}`,
  ],
  [
    "an encoding that is no coding",
    `POST / HTTP/1.1\r\n${HOST}\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n${SMUGGLED}`,
  ],
  [
    "two encodings",
    `POST / HTTP/1.1\r\n${HOST}\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n${SMUGGLED}`,
  ],
  ["a space before the colon", `POST / HTTP/1.1\r\n${HOST}\r\nContent-Length : 5\r\n\r\nhello${SMUGGLED}`],
  [
    "a folded line",
    `POST / HTTP/1.1\r\n${HOST}\r\nX-A: b\r\n Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\nhello`,
  ],
  [
    "a bad chunk size",
    `POST / HTTP/1.1\r\n${HOST}\r\nTransfer-Encoding: chunked\r\n\r\n5g\r\nhello\r\n0\r\n\r\n${SMUGGLED}`,
  ],
  [
    "a chunk extension with a bare line feed",
    `POST / HTTP/1.1\r\n${HOST}\r\nTransfer-Encoding: chunked\r\n\r\n5;\nx\r\nhello\r\n0\r\n\r\n${SMUGGLED}`,
  ],
  ["bare line feeds", `GET / HTTP/1.1\n${HOST}\n\n${SMUGGLED}`],
  ["a body of a GET", `GET / HTTP/1.1\r\n${HOST}\r\nContent-Length: ${SMUGGLED.length}\r\n\r\n${SMUGGLED}`],
  ["the absolute form", `GET http://a.localhost/ HTTP/1.1\r\n${HOST}\r\n\r\n`],
  ["two hosts", `GET / HTTP/1.1\r\n${HOST}\r\nHost: a.localhost\r\n\r\n`],
  ["no host", "GET / HTTP/1.1\r\n\r\n"],
  ["a NUL in a value", `GET / HTTP/1.1\r\n${HOST}\r\nX-A: a\0b\r\n\r\n`],
  ["a host of nobody's", "GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n"],
  ["TRACE", `TRACE / HTTP/1.1\r\n${HOST}\r\n\r\n`],
  ["CONNECT", "CONNECT internal:22 HTTP/1.1\r\nHost: open.localhost\r\n\r\n"],
  ["HTTP/2 without TLS", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"],
  [
    "an upgrade to HTTP/2",
    `GET / HTTP/1.1\r\n${HOST}\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n\r\n`,
  ],
])("%s reaches no upstream, and smuggles nothing", async (_what, bytes) => {
  // Closed by us at last: what was smuggled would be answered on the same connection.
  const text = await rawExchange(at.port, bytes.replace(/\r\n\r\n$/, "\r\nConnection: close\r\n\r\n"));
  expect(at.upstream.seen.filter(({ url }) => url === "/smuggled")).toEqual([]);
  expect(at.upstream.seen).toEqual([]);
  expect(text).not.toContain("HTTP/1.1 200");
  if (text !== "") expect(text).toMatch(/^HTTP\/1\.1 4\d\d /);
  expect(text).not.toMatch(/node:|\.ts:|stack/i);
});

test("chunks that are right go on, framed anew", async () => {
  const bytes = `POST /up HTTP/1.1\r\n${HOST}\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n5\r\nhello\r\n0\r\n\r\n`;
  const bodies: string[] = [];
  at.upstream.answer = (request, response) => {
    request.on("data", (chunk: Buffer) => bodies.push(chunk.toString()));
    request.once("end", () => response.end("ok"));
  };
  expect(await rawExchange(at.port, bytes)).toContain("200 OK");
  expect(bodies.join("")).toBe("hello");
});

test("a chunked body beyond the limit is cut off with 413", async () => {
  at.upstream.answer = (request, response) => {
    request.resume();
    request.once("end", () => response.end("ok"));
  };
  const chunk = `${(65_536).toString(16)}\r\n${"x".repeat(65_536)}\r\n`;
  const head = `POST /up HTTP/1.1\r\n${HOST}\r\nTransfer-Encoding: chunked\r\n\r\n`;
  const text = await rawExchange(at.port, `${head}${chunk.repeat(20)}0\r\n\r\n`);
  expect(text).not.toContain("200 OK");
  if (text !== "") expect(text).toContain("413");
});

test("a flood of fields, and fields too long, are refused", async () => {
  const many = Array.from({ length: 150 }, (_, index) => `X-${index}: 1\r\n`).join("");
  expect(await rawExchange(at.port, `GET / HTTP/1.1\r\n${HOST}\r\nConnection: close\r\n${many}\r\n`)).toMatch(
    /^HTTP\/1\.1 431 /,
  );
  expect(await rawExchange(at.port, `GET / HTTP/1.1\r\n${HOST}\r\nX: ${"y".repeat(20_000)}\r\n\r\n`)).toMatch(
    /^HTTP\/1\.1 431 /,
  );
  expect(at.upstream.seen).toEqual([]);
});

test("a head or a body that never ends is given up", async () => {
  expect(await rawExchange(at.port, `GET / HTTP/1.1\r\n${HOST}\r\nX-Slow:`)).toMatch(/^HTTP\/1\.1 4\d\d /);
  let isCut = false;
  at.upstream.answer = (request) => {
    request.resume();
    request.once("close", () => (isCut = !request.complete));
  };
  await rawExchange(at.port, `POST / HTTP/1.1\r\n${HOST}\r\nContent-Length: 100\r\n\r\nten bytes.`);
  await expect.poll(() => isCut).toBe(true);
});
