import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { connect as connectHttp2 } from "node:http2";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect as connectTls, type TLSSocket } from "node:tls";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Listening, listenTls } from "../../apps/gateway/listen.ts";
import { tlsFilesOf } from "../../apps/gateway/tls.ts";
import { readPrivateFile } from "../../src/adapters/files/index.ts";
import { PlainSecret, silentLogger, systemClock } from "../../src/core/index.ts";
import { type ListenerTls, openListenerTls } from "../../src/network/index.ts";
import { opensslMissing, type TestAuthority, testAuthority } from "../../src/testing/certificates.ts";
import { type GatewayStage, gatewayStage } from "./stage.ts";

const missing = opensslMissing();
/** Where certificates cannot be made, the name of the skipped test says why. */
const withOpenssl = (name: string, run: () => Promise<void>): void =>
  test.skipIf(missing !== undefined)(missing === undefined ? name : `${name} (${missing})`, run);

let at: GatewayStage;
let folder = "";
let authority: TestAuthority;
let tls: ListenerTls;
let listening: Listening;
const file = (name: string): string => join(folder, name);

function write({ certificate, key }: { certificate: string; key: string }): void {
  writeFileSync(file("c.pem"), certificate, { mode: 0o600 });
  writeFileSync(file("k.pem"), key, { mode: 0o600 });
}

beforeAll(async () => {
  if (missing !== undefined) return;
  at = await gatewayStage();
  folder = mkdtempSync(join(tmpdir(), "rw-gateway-tls-"));
  authority = testAuthority(folder, "gateway");
  write(authority.issue(["DNS:open.localhost", "DNS:a.localhost"]));
  const readKey = async (path: string): Promise<PlainSecret> => new PlainSecret(readFileSync(path, "utf8"));
  tls = await openListenerTls(
    { certificateFile: file("c.pem"), keyFile: file("k.pem"), minimum: "TLSv1.3" },
    { readKey, clock: systemClock, log: silentLogger },
  );
  listening = await listenTls(at.gateway, "127.0.0.1", 0, tls);
});
afterAll(async () => {
  if (missing !== undefined) return;
  await listening.close();
  await at.close();
  rmSync(folder, { recursive: true, force: true });
});

interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, unknown>>;
  readonly text: string;
}

/** One request over a session of HTTP/2. Rejects when the stream is refused. */
async function ask(headers: Record<string, string | string[]>, body?: string): Promise<Answer> {
  const authorityName = String(headers[":authority"] ?? "open.localhost");
  const session = connectHttp2(`https://127.0.0.1:${listening.port}`, {
    ca: readFileSync(authority.caFile),
    servername: authorityName.replace(/:.*/, ""),
  });
  try {
    const stream = session.request(
      { ":path": "/", ":authority": "open.localhost", ...headers },
      { endStream: body === undefined },
    );
    const { promise, resolve, reject } = Promise.withResolvers<Answer>();
    let text = "";
    let head: Record<string, unknown> = {};
    stream.once("response", (found) => (head = found));
    stream.on("data", (chunk: Buffer) => (text += chunk.toString()));
    stream.once("error", reject);
    session.once("error", reject);
    stream.once("close", () => {
      if (head[":status"] === undefined) reject(new Error(`closed with ${String(stream.rstCode)}`));
      else resolve({ status: Number(head[":status"]), headers: head, text });
    });
    if (body !== undefined) stream.end(body);
    return await promise;
  } finally {
    session.destroy();
  }
}

withOpenssl("HTTP/2 comes in, HTTP/1.1 goes on, and the visitor is told of TLS", async () => {
  at.upstream.seen.length = 0;
  at.upstream.answer = (_request, response) => {
    response.setHeader("set-cookie", ["a=1", "b=2"]);
    response.end("ok");
  };
  const answer = await ask({ cookie: ["theme=dark", "x=y"], "x-forwarded-user": "root" });
  expect([answer.status, answer.text]).toEqual([200, "ok"]);
  expect(answer.headers["strict-transport-security"]).toContain("max-age=");
  expect(answer.headers["set-cookie"]).toEqual(["a=1", "b=2"]);
  const [request] = at.upstream.seen;
  expect(request?.httpVersion).toBe("1.1");
  expect(request?.headers).toMatchObject({
    host: "open.localhost",
    cookie: "theme=dark; x=y",
    "x-forwarded-proto": "https",
  });
  expect(request?.headers["x-forwarded-user"]).toBeUndefined();
});

withOpenssl("a body goes on whole, with a length or without", async () => {
  at.upstream.answer = (request, response) => void request.pipe(response);
  expect((await ask({ ":method": "POST", origin: "https://open.localhost" }, "hello")).text).toBe("hello");
  expect(
    (await ask({ ":method": "POST", "content-length": "5", origin: "https://open.localhost" }, "hello")).text,
  ).toBe("hello");
});

withOpenssl("what would smuggle on the way down to HTTP/1.1 goes no further", async () => {
  at.upstream.seen.length = 0;
  at.upstream.answer = (_request, response) => void response.end("ok");
  const refused = async (headers: Record<string, string>, body?: string): Promise<void> => {
    const answer = await ask(headers, body).catch(() => undefined);
    if (answer !== undefined) expect(answer.status).toBeGreaterThanOrEqual(400);
  };
  await refused({ ":method": "POST", "content-length": "1" }, "GET /smuggled HTTP/1.1\r\n\r\n");
  await refused({}, "a body of a GET");
  await refused({ "host": "a.localhost" });
  await refused({ ":path": "http://a.localhost/" });
  await refused({ ":path": "//a.localhost/" });
  await refused({ ":authority": "evil.example" });
  // What only reaches the upstream as a head that its reader must refuse for lack of a body is no smuggling.
  expect(at.upstream.seen.filter(({ url }) => url === "/smuggled")).toEqual([]);
});

async function presented(options: object = {}): Promise<TLSSocket> {
  const socket = connectTls({
    host: "127.0.0.1",
    port: listening.port,
    servername: "open.localhost",
    ca: readFileSync(authority.caFile),
    ...options,
  });
  await once(socket, "secureConnect");
  return socket;
}

withOpenssl("1.3 is spoken, and 1.2 is not", async () => {
  const socket = await presented();
  expect([socket.getProtocol(), socket.authorized]).toEqual(["TLSv1.3", true]);
  socket.destroy();
  await expect(presented({ maxVersion: "TLSv1.2" })).rejects.toThrow();
});

withOpenssl("a certificate that changed is presented; one that does not fit its key is not", async () => {
  const serial = async (): Promise<string> => {
    const socket = await presented();
    const { serialNumber } = socket.getPeerCertificate();
    socket.destroy();
    return serialNumber;
  };
  const before = await serial();
  await tls.reload();
  expect(await serial()).toBe(before);
  const next = authority.issue(["DNS:open.localhost", "DNS:a.localhost"]);
  writeFileSync(file("c.pem"), next.certificate);
  await tls.reload();
  expect(await serial()).toBe(before);
  write(next);
  await tls.reload();
  expect(await serial()).not.toBe(before);
});

withOpenssl("development makes an authority of its own, and production does not", async () => {
  const settings = { port: 1, developmentAuthority: true, minimum: "TLSv1.3" } as const;
  const where = { dataDir: folder, hosts: ["localhost", "a.localhost"], clock: systemClock };
  const made = tlsFilesOf(settings, { ...where, mode: "development" });
  expect(tlsFilesOf(settings, { ...where, mode: "development" })).toEqual(made);
  expect(() => tlsFilesOf(settings, { ...where, mode: "production" })).toThrow("development alone");
  // As the process reads it: the key is nobody else's.
  const readKey = async (path: string): Promise<PlainSecret> =>
    new PlainSecret(await readPrivateFile(path, { bytesMax: 65_536, uid: process.getuid?.() }));
  const files = { ...made, minimum: settings.minimum };
  const own = await openListenerTls(files, { readKey, clock: systemClock, log: silentLogger });
  const own443 = await listenTls(at.gateway, "127.0.0.1", 0, own);
  const socket = connectTls({
    host: "127.0.0.1",
    port: own443.port,
    servername: "a.localhost",
    ca: readFileSync(join(folder, "development-tls", "authority.pem")),
  });
  await once(socket, "secureConnect");
  expect([socket.authorized, socket.getProtocol()]).toEqual([true, "TLSv1.3"]);
  socket.destroy();
  await own443.close();
  // What is over is made anew, instead of a start that fails.
  const later = (): number => systemClock() + 89.5 * 86_400_000;
  const before = readFileSync(made.certificateFile, "utf8");
  expect(tlsFilesOf(settings, { ...where, mode: "development", clock: later })).toEqual(made);
  expect(readFileSync(made.certificateFile, "utf8")).not.toBe(before);
});

withOpenssl("what runs over HTTP/2 comes to its end while the gateway drains, and nothing new begins", async () => {
  let release = (): void => {};
  at.upstream.answer = (_request, response) => void (release = () => response.end("waited for"));
  const other = await listenTls(at.gateway, "127.0.0.1", 0, tls, { drainMs: 5_000 });
  const session = connectHttp2(`https://127.0.0.1:${other.port}`, {
    ca: readFileSync(authority.caFile),
    servername: "open.localhost",
  });
  const idle = await presented({ port: other.port });
  const idleClosed = once(idle, "close");
  idle.write("GET /.ringwall/healthz HTTP/1.1\r\nHost: open.localhost\r\n\r\n");
  await once(idle, "data");
  idle.resume();
  at.upstream.seen.length = 0;
  const stream = session.request({ ":path": "/", ":authority": "open.localhost" });
  let text = "";
  stream.on("data", (chunk: Buffer) => (text += chunk.toString()));
  await expect.poll(() => at.upstream.seen.length).toBe(1);
  const goneAway = once(session, "goaway");
  const closed = other.close();
  await Promise.all([goneAway, idleClosed]);
  await expect(presented({ port: other.port })).rejects.toThrow("ECONNREFUSED");
  release();
  await once(stream, "close");
  expect(text).toBe("waited for");
  await closed;
});
