import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect } from "node:tls";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { type Listening, listenTls } from "../../apps/gateway/listen.ts";
import { PlainSecret, silentLogger, systemClock } from "../../src/core/index.ts";
import { openListenerTls } from "../../src/network/index.ts";
import { opensslMissing, testAuthority } from "../../src/testing/certificates.ts";
import { FRAME, fieldBlock, frame, type RawAnswer, type RawFields, rawHttp2, requestFrames } from "./raw-http2.ts";
import { type GatewayStage, gatewayStage } from "./stage.ts";

const missing = opensslMissing();
const skipped = missing === undefined ? "" : ` (skipped: ${missing})`;
const withOpenssl = test.skipIf(missing !== undefined);

let at: GatewayStage;
let folder = "";
let ca = Buffer.alloc(0);
let listening: Listening;

beforeAll(async () => {
  if (missing !== undefined) return;
  at = await gatewayStage();
  folder = mkdtempSync(join(tmpdir(), "rw-gateway-h2-"));
  const authority = testAuthority(folder, "gateway");
  const { certificate, key } = authority.issue(["DNS:open.localhost"]);
  const files = { certificateFile: join(folder, "c.pem"), keyFile: join(folder, "k.pem") };
  writeFileSync(files.certificateFile, certificate, { mode: 0o600 });
  writeFileSync(files.keyFile, key, { mode: 0o600 });
  ca = readFileSync(authority.caFile);
  const readKey = async (path: string): Promise<PlainSecret> => new PlainSecret(readFileSync(path, "utf8"));
  const tls = await openListenerTls(
    { ...files, minimum: "TLSv1.3" },
    { readKey, clock: systemClock, log: silentLogger },
  );
  listening = await listenTls(at.gateway, "127.0.0.1", 0, tls, { headMs: 300, requestMs: 600, checkMs: 100 });
});
afterAll(async () => {
  if (missing !== undefined) return;
  await listening.close();
  await at.close();
  rmSync(folder, { recursive: true, force: true });
});
beforeEach(() => {
  if (missing !== undefined) return;
  at.upstream.seen.length = 0;
  at.upstream.answer = (request, response) => {
    request.resume();
    request.once("end", () => response.end("reached"));
  };
});

const send = async (frames: Buffer): Promise<RawAnswer> => await rawHttp2(listening.port, ca, "open.localhost", frames);

const ORIGIN = ["origin", "https://open.localhost"] as const;
const place = (method: string, path = "/"): RawFields => [
  [":method", method],
  [":scheme", "https"],
  [":authority", "open.localhost"],
  [":path", path],
];
const post = [...place("POST"), ORIGIN];
const SMUGGLED = "GET /smuggled HTTP/1.1\r\nHost: open.localhost\r\n\r\n";

withOpenssl(`what is right in HTTP/2 gets through, so that the refusals below mean something${skipped}`, async () => {
  const answer = await send(requestFrames(post, "hello"));
  expect([answer.isAnswered, answer.text.includes("reached"), at.upstream.seen.length]).toEqual([true, true, 1]);
});

withOpenssl.each<[string, RawFields, string?]>([
  ["Transfer-Encoding, which HTTP/2 has none of", [...post, ["transfer-encoding", "chunked"]], `0\r\n\r\n${SMUGGLED}`],
  ["a length that is too short", [...post, ["content-length", "1"]], SMUGGLED],
  ["a length that is too long", [...post, ["content-length", "1000"]], "short"],
  ["two lengths", [...post, ["content-length", "5"], ["content-length", "6"]], "hello"],
  ["a length that is none", [...post, ["content-length", "+5"]], "hello"],
  ["a body of a GET", place("GET"), SMUGGLED],
  ["Connection", [...place("GET"), ["connection", "x-a"]]],
  ["Upgrade", [...place("GET"), ["upgrade", "h2c"]]],
  ["Host that is another one", [...place("GET"), ["host", "a.localhost"]]],
  ["two authorities", [...place("GET"), [":authority", "a.localhost"]]],
  ["two paths", [...place("GET"), [":path", "/smuggled"]]],
  ["two methods", [...place("GET"), [":method", "DELETE"]]],
  ["a pseudo field after the others", [...place("GET"), ["x", "1"], [":path", "/smuggled"]]],
  ["a pseudo field nobody knows", [...place("GET"), [":smuggled", "1"]]],
  ["no authority and no host", place("GET").filter(([name]) => name !== ":authority")],
  ["no path", place("GET").filter(([name]) => name !== ":path")],
  ["an empty path", place("GET", "")],
  ["an upper-case name", [...place("GET"), ["Transfer-Encoding", "chunked"]]],
  ["a request line in the path", place("GET", "/ HTTP/1.1\r\nHost: open.localhost\r\n\r\nGET /smuggled")],
  ["a blank in the path", place("GET", "/ /smuggled")],
  ["a request line in the method", place("GET /smuggled HTTP/1.1\r\nX:")],
  ["a blank in the method", place("GET /smuggled")],
  [
    "a line break in the authority",
    [...place("GET").slice(0, 2), [":authority", "open.localhost\r\nX: y"], [":path", "/"]],
  ],
  ["a user in the authority", [...place("GET").slice(0, 2), [":authority", "x@open.localhost"], [":path", "/"]]],
  ["the absolute form", place("GET", "http://a.localhost/smuggled")],
  ["two slashes", place("GET", "//a.localhost/smuggled")],
  ["a fragment", place("GET", "/x#/smuggled")],
  ["letters beyond ASCII", place("GET", "/\u00e4")],
  ["the asterisk", place("OPTIONS", "*")],
  [
    "CONNECT",
    [
      [":method", "CONNECT"],
      [":authority", "127.0.0.1:22"],
    ],
  ],
  ["CONNECT for a WebSocket", [...place("CONNECT"), [":protocol", "websocket"]]],
  ["TRACE", place("TRACE")],
  ["a host of nobody's", [...place("GET").slice(0, 2), [":authority", "evil.example"], [":path", "/"]]],
  [
    "a hundred and fifty fields",
    [...place("GET"), ...Array.from({ length: 150 }, (_, index) => [`x-${index}`, "1"] as const)],
  ],
  ["fields that are too long", [...place("GET"), ["x", "y".repeat(15_000)], ["z", "y".repeat(9_000)]]],
])(`%s reaches no upstream over HTTP/2, and smuggles nothing${skipped}`, async (_what, fields, body) => {
  const answer = await send(requestFrames(fields, body));
  expect(answer.text).not.toContain("reached");
  expect(answer.text).not.toMatch(/node:|\.ts:|stack/i);
  const whole = at.upstream.seen.filter(({ complete, url }) => complete || url === "/smuggled");
  expect(whole.map(({ method, url }) => [method, url])).toEqual([]);
});

withOpenssl.each<[string, RawFields]>([
  ["a line break in a value", [...place("GET"), ["x", `1\r\n\r\n${SMUGGLED}`]]],
  ["a NUL in a value", [...place("GET"), ["x", "a\0b"]]],
  ["a line break in a name", [...place("GET"), ["x\r\ntransfer-encoding", "chunked"]]],
  ["a colon in a name", [...place("GET"), ["transfer-encoding:chunked\r\nx", "1"]]],
])(`%s is no field of the request that goes on${skipped}`, async (_what, fields) => {
  await send(requestFrames(fields));
  expect(at.upstream.seen.filter(({ url }) => url !== "/")).toEqual([]);
  expect(at.upstream.seen.length).toBeLessThanOrEqual(1);
  for (const { headers, rawHeaders } of at.upstream.seen) {
    expect(rawHeaders.join()).not.toMatch(/smuggled|chunked/);
    expect([headers["x"], headers["transfer-encoding"]]).toEqual([undefined, undefined]);
  }
});

withOpenssl(`a header that never ends is cut off with its connection${skipped}`, async () => {
  const [first, more] = [fieldBlock(place("GET")), fieldBlock([["x", "y".repeat(4_000)]])];
  const flood = [frame(FRAME.headers, 1, 1, first)];
  for (let times = 0; times < 200; times += 1) flood.push(frame(FRAME.continuation, 0, 1, more));
  const answer = await send(Buffer.concat(flood));
  expect([answer.isAnswered, at.upstream.seen.length]).toEqual([false, 0]);
});

withOpenssl(`streams that are opened only to be reset end the connection${skipped}`, async () => {
  at.upstream.answer = () => {};
  const block = fieldBlock(place("GET"));
  const flood: Buffer[] = [];
  for (let stream = 1; stream < 4_000; stream += 2) {
    flood.push(frame(FRAME.headers, 5, stream, block), frame(FRAME.reset, 0, stream, Buffer.from([0, 0, 0, 8])));
  }
  const answer = await send(Buffer.concat(flood));
  expect(answer.types.includes(FRAME.goaway) || !answer.isAnswered).toBe(true);
  expect(at.upstream.seen.length).toBeLessThan(300);
});

withOpenssl(`a body that never ends is given up, over HTTP/2 and over HTTP/1.1 in TLS${skipped}`, async () => {
  // On a busy machine the time can be over before a request has gone on at all.
  let going = 0;
  at.upstream.answer = (request) => {
    going += 1;
    request.resume();
    request.once("close", () => {
      going -= request.complete ? 0 : 1;
    });
  };
  const part = [frame(FRAME.headers, 4, 1, fieldBlock(post)), frame(FRAME.data, 0, 1, Buffer.from("ten bytes."))];
  const answer = await send(Buffer.concat(part));
  expect(answer.types.includes(FRAME.reset) || answer.types.includes(FRAME.goaway) || !answer.isAnswered).toBe(true);
  await expect.poll(() => going, { timeout: 20_000 }).toBe(0);
  const socket = connect({ host: "127.0.0.1", port: listening.port, ca, servername: "open.localhost" });
  await once(socket, "secureConnect");
  socket.write(
    "POST / HTTP/1.1\r\nHost: open.localhost\r\nOrigin: https://open.localhost\r\nContent-Length: 100\r\n\r\nten",
  );
  socket.resume();
  await once(socket, "close");
  await expect.poll(() => going, { timeout: 20_000 }).toBe(0);
});

withOpenssl(`smuggling fails over HTTP/1.1 in TLS as it does in plain${skipped}`, async () => {
  for (const head of [
    "Content-Length: 4\r\nTransfer-Encoding: chunked",
    "Content-Length: 5\r\nContent-Length: 6",
    "Transfer-Encoding: xchunked",
    "X: y\r\n folded: z",
  ]) {
    const socket = connect({ host: "127.0.0.1", port: listening.port, ca, servername: "open.localhost" });
    await once(socket, "secureConnect");
    let text = "";
    socket.on("data", (chunk: Buffer) => (text += chunk.toString()));
    socket.write(`POST / HTTP/1.1\r\nHost: open.localhost\r\n${head}\r\nConnection: close\r\n\r\n0\r\n\r\n${SMUGGLED}`);
    await once(socket, "close");
    expect(text).toMatch(/^HTTP\/1\.1 400 /);
    expect([head, text]).toEqual([head, text.match(/HTTP\/1\.1/g)?.length === 1 ? text : "one answer"]);
  }
  expect(at.upstream.seen).toEqual([]);
});
