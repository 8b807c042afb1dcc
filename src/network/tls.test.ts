import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type RequestOptions, request, type Server } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect, type TLSSocket } from "node:tls";
import { afterEach, describe, expect, test } from "vitest";
import { type Logger, PlainSecret, silentLogger, systemClock } from "../core/index.ts";
import { opensslMissing, type TestAuthority, testAuthority } from "../testing/certificates.ts";
import { type ListenerTls, openListenerTls, type TlsFiles } from "./index.ts";

const missing = opensslMissing();
const skipped = missing === undefined ? "" : ` (skipped: ${missing})`;

const closing: (() => void)[] = [];
afterEach(() => {
  for (const close of closing.splice(0)) close();
});

interface Stage {
  readonly tls: ListenerTls;
  readonly port: number;
  readonly authority: TestAuthority;
  readonly folder: string;
  readonly errors: string[];
  /** Writes a certificate for these names, and its key or another one, over the files in use. */
  readonly install: (names: readonly string[], key?: string) => void;
}

async function stage(minimum: TlsFiles["minimum"] = "TLSv1.3"): Promise<Stage> {
  const folder = mkdtempSync(join(tmpdir(), "rw-tls-"));
  closing.push(() => rmSync(folder, { recursive: true, force: true }));
  const authority = testAuthority(folder, "network");
  const files: TlsFiles = { certificateFile: join(folder, "in-use.pem"), keyFile: join(folder, "in-use.key"), minimum };
  const install: Stage["install"] = (names, otherKey) => {
    const { certificate, key } = authority.issue(names);
    writeFileSync(files.certificateFile, certificate);
    writeFileSync(files.keyFile, otherKey ?? key, { mode: 0o600 });
  };
  install(["DNS:localhost"]);
  const errors: string[] = [];
  const log: Logger = { ...silentLogger, error: (_facts, message) => void errors.push(message) };
  const tls = await open(files, log);
  const server = createServer(tls.options(), (_request, response) => response.end("here"));
  tls.follow(server);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  closing.push(() => {
    server.closeAllConnections();
    server.close();
  });
  return { tls, port: portOf(server), authority, folder, errors, install };
}

async function open(files: TlsFiles, log: Logger = silentLogger): Promise<ListenerTls> {
  const { readFile } = await import("node:fs/promises");
  const readKey = async (path: string): Promise<PlainSecret> => new PlainSecret(await readFile(path, "utf8"));
  return await openListenerTls(files, { readKey, clock: systemClock, log });
}

function portOf(server: Server): number {
  const place = server.address();
  if (typeof place !== "object" || place === null) throw new TypeError("no port");
  return place.port;
}

/** What a client gets: the body, or the code of the error. */
async function ask({ authority, port }: Stage, over: RequestOptions = {}): Promise<string> {
  const { readFileSync } = await import("node:fs");
  const ca = readFileSync(authority.caFile, "utf8");
  const { promise, resolve } = Promise.withResolvers<string>();
  const asked = request({ host: "127.0.0.1", servername: "localhost", port, ca, agent: false, ...over }, (response) => {
    response.setEncoding("utf8").once("data", resolve);
  });
  asked.once("error", (error: Error & { code?: string }) => resolve(error.code ?? error.message));
  asked.end();
  return await promise;
}

async function openSocket({ authority, port }: Stage): Promise<TLSSocket> {
  const { readFileSync } = await import("node:fs");
  const socket = connect({
    host: "127.0.0.1",
    port,
    servername: "localhost",
    ca: readFileSync(authority.caFile, "utf8"),
  });
  await once(socket, "secureConnect");
  closing.push(() => socket.destroy());
  return socket;
}

describe.skipIf(missing !== undefined)(`a listener with a certificate${skipped}`, () => {
  test("speaks 1.3, and 1.2 only where that is set; older versions never", async () => {
    const strict = await stage();
    expect(await ask(strict)).toBe("here");
    expect(await ask(strict, { maxVersion: "TLSv1.2" })).toMatch(/PROTOCOL_VERSION|EPROTO|ECONNRESET/);
    const lenient = await stage("TLSv1.2");
    expect(await ask(lenient, { maxVersion: "TLSv1.2" })).toBe("here");
    const old = { minVersion: "TLSv1", maxVersion: "TLSv1.1", ciphers: "DEFAULT@SECLEVEL=0" } as const;
    expect(await ask(lenient, old)).toMatch(/PROTOCOL_VERSION|UNSUPPORTED_PROTOCOL|NO_PROTOCOLS|EPROTO|ECONNRESET/);
    // No forward secrecy, no authenticated encryption: not offered, whatever the client would take.
    const weak = { maxVersion: "TLSv1.2", ciphers: "AES128-SHA256:ECDHE-ECDSA-AES128-SHA256" } as const;
    expect(await ask(lenient, weak)).toMatch(/HANDSHAKE_FAILURE|NO_CIPHER|EPROTO|ECONNRESET/);
  });

  test("is refused by a client that asked for another name, or believes another authority", async () => {
    const here = await stage();
    expect(await ask(here, { servername: "bank.example" })).toBe("ERR_TLS_CERT_ALTNAME_INVALID");
    expect(await ask(here, { ca: undefined })).toMatch(/UNABLE_TO|SELF_SIGNED/);
  });

  test("takes a new certificate for new connections, and those that are open go on", async () => {
    const here = await stage();
    const before = await openSocket(here);
    expect(await here.tls.reload()).toBe("unchanged");
    here.install(["DNS:localhost", "DNS:new.example"]);
    expect(await here.tls.reload()).toBe("changed");
    expect(await ask(here, { servername: "new.example" })).toBe("here");
    before.write("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
    const [answer] = (await once(before, "data")) as [Buffer];
    expect(answer.toString()).toContain("200 OK");
  });

  test.each([
    [
      "a key of another certificate",
      (here: Stage) => here.install(["DNS:localhost"], here.authority.issue(["DNS:x"]).key),
    ],
    ["rubbish as a key", (here: Stage) => here.install(["DNS:localhost"], "-----BEGIN PRIVATE KEY-----\nrubbish")],
    ["an empty certificate", (here: Stage) => writeFileSync(join(here.folder, "in-use.pem"), "")],
    ["no certificate file at all", (here: Stage) => rmSync(join(here.folder, "in-use.pem"))],
  ])("keeps its old one when it finds %s, and says so", async (_what, damage) => {
    const here = await stage();
    damage(here);
    expect(await here.tls.reload()).toBe("refused");
    expect(here.errors).toEqual([expect.stringContaining("the old ones stay in use")]);
    expect(await ask(here)).toBe("here");
    here.install(["DNS:localhost"]);
    expect(await here.tls.reload()).toBe("changed");
    expect(await ask(here)).toBe("here");
  });

  test("does not start with a certificate out of its time, or a key that is not its own", async () => {
    const { folder, authority, install } = await stage();
    const files = {
      certificateFile: join(folder, "in-use.pem"),
      keyFile: join(folder, "in-use.key"),
      minimum: "TLSv1.3",
    } as const;
    const readKey = async (): Promise<PlainSecret> =>
      await Promise.resolve(new PlainSecret(authority.issue(["DNS:localhost"]).key));
    const later = systemClock() + 10 * 86_400_000;
    const parts = { readKey, log: silentLogger };
    await expect(openListenerTls(files, { ...parts, clock: () => later })).rejects.toThrow("time is over");
    await expect(openListenerTls(files, { ...parts, clock: () => 0 })).rejects.toThrow("time has not come");
    await expect(openListenerTls(files, { ...parts, clock: systemClock })).rejects.toThrow("not that of");
    install(["DNS:localhost"], "-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----");
    await expect(open(files)).rejects.toThrow(
      /^network\.tls: the file .*in-use\.key is no key in PEM, or not that of [^ ]*in-use\.pem$/,
    );
  });
});
