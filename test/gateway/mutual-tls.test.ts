import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import type { IncomingMessage } from "node:http";
import { createServer, type Server } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TLSSocket } from "node:tls";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { WebSocket, WebSocketServer } from "ws";
import { opensslMissing, testAuthority } from "../../src/testing/certificates.ts";
import { ask } from "./http.ts";
import { type GatewayStage, gatewayStage } from "./stage.ts";

const missing = opensslMissing();
const skipped = missing === undefined ? "" : ` (skipped: ${missing})`;
const withOpenssl = test.skipIf(missing !== undefined);

let at: GatewayStage;
let folder = "";
let server: Server;
const seen: IncomingMessage[] = [];
let connections = 0;
/** Connections that end before their handshake does. */
let cutNext = 0;
let pairs: { right: Pair; wrong: Pair };

interface Pair {
  readonly certificate: string;
  readonly key: string;
}

function install({ certificate, key }: Pair): void {
  writeFileSync(join(folder, "client.pem"), certificate);
  writeFileSync(join(folder, "client.key"), key, { mode: 0o600 });
}

beforeAll(async () => {
  if (missing !== undefined) return;
  folder = mkdtempSync(join(tmpdir(), "rw-gateway-mtls-"));
  const [inside, outside] = [testAuthority(folder, "inside"), testAuthority(folder, "outside")];
  const own = inside.issue(["DNS:localhost", "DNS:wrong-name.localhost"]);
  pairs = { right: inside.issue(["DNS:gateway"]), wrong: outside.issue(["DNS:gateway"]) };
  server = createServer(
    {
      key: own.key,
      cert: own.certificate,
      ca: readFileSync(inside.caFile),
      requestCert: true,
      rejectUnauthorized: true,
    },
    (request, response) => {
      seen.push(request);
      response.end("inside");
    },
  );
  server.on("connection", (socket) => {
    connections += 1;
    if (cutNext-- > 0) socket.destroy();
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const place = server.address();
  const port = typeof place === "object" && place !== null ? place.port : 0;
  install(pairs.right);
  writeFileSync(join(folder, "wrong.pem"), pairs.wrong.certificate);
  writeFileSync(join(folder, "wrong.key"), pairs.wrong.key);
  const file = (name: string): string => join(folder, name);
  const client = { certificateFile: file("client.pem"), keyFile: file("client.key") };
  const route = { upstream: `https://localhost:${port}`, mode: "plain", access: "public", timeoutMs: 5_000 };
  const named = (name: string, over: object): object => ({ ...route, name, host: `${name}.localhost`, ...over });
  at = await gatewayStage({
    routes: [
      named("right", { tls: { ...client, caFile: inside.caFile } }),
      named("asserted", { mode: "ringwall", access: "signed-in", tls: { ...client, caFile: inside.caFile } }),
      named("no-client", { tls: { caFile: inside.caFile } }),
      named("wrong-client", {
        tls: { certificateFile: file("wrong.pem"), keyFile: file("wrong.key"), caFile: inside.caFile },
      }),
      named("wrong-authority", { tls: { ...client, caFile: outside.caFile } }),
      named("no-authority", { tls: client }),
      named("wrong-name", { upstream: `https://127.0.0.1:${port}`, tls: { ...client, caFile: inside.caFile } }),
    ],
  });
});
afterAll(async () => {
  if (missing !== undefined) return;
  await at.close();
  server.closeAllConnections();
  server.close();
  rmSync(folder, { recursive: true, force: true });
});
beforeEach(() => {
  seen.length = 0;
  connections = 0;
  cutNext = 0;
});

const statusOf = async (host: string, method = "GET"): Promise<number> =>
  (await ask(at.port, { host: `${host}.localhost`, method })).status;

withOpenssl(`an upstream is reached over mutual TLS 1.3, by its own name${skipped}`, async () => {
  expect(await statusOf("right")).toBe(200);
  const socket = seen[0]?.socket as TLSSocket;
  expect([socket.authorized, socket.getProtocol()]).toEqual([true, "TLSv1.3"]);
  expect(seen[0]?.headers["x-ringwall-assertion"]).toBeDefined();
});

withOpenssl(`an assertion goes over a mutual connection, and names who asks${skipped}`, async () => {
  const headers = { authorization: `Bearer ${at.stage.north.ann.token}` };
  expect((await ask(at.port, { host: "asserted.localhost", headers })).status).toBe(200);
  const assertion = String(seen[0]?.headers["x-ringwall-assertion"]);
  const claims: unknown = JSON.parse(Buffer.from(assertion.split(".")[1] ?? "", "base64url").toString());
  expect(claims).toMatchObject({ aud: "asserted", sub: at.stage.north.ann.user, tenant: "northbank" });
  expect((await ask(at.port, { host: "asserted.localhost" })).status).toBe(401);
});

withOpenssl.each(["no-client", "wrong-client", "wrong-authority", "no-authority", "wrong-name"])(
  `%s is a 502, and nothing of the request goes over such a connection${skipped}`,
  async (host) => {
    const answer = await ask(at.port, { host: `${host}.localhost` });
    expect([answer.status, JSON.parse(answer.text)]).toMatchObject([502, { code: "upstream.unavailable" }]);
    expect(answer.headers["x-request-id"]).toMatch(/^[0-9a-f-]{36}$/);
    expect(answer.text).not.toMatch(/certificate|ERR_|node:|\.ts/i);
    expect(seen).toEqual([]);
  },
);

withOpenssl(`WebSockets take the same way${skipped}`, async () => {
  const echo = new WebSocketServer({ noServer: true });
  server.on("upgrade", (request, socket, head) => {
    echo.handleUpgrade(request, socket, head, (peer) => {
      peer.on("message", (data: Buffer) => peer.send(data.toString()));
    });
  });
  const dial = (host: string): WebSocket =>
    new WebSocket(`ws://127.0.0.1:${at.port}/`, { headers: { host: `${host}.localhost:${at.port}` } });
  const socket = dial("right");
  await once(socket, "open");
  socket.send("through");
  expect(String((await once(socket, "message"))[0])).toBe("through");
  socket.close();
  const [error] = (await once(dial("wrong-authority"), "error")) as [Error];
  expect(error.message).toContain("502");
  echo.close();
});

withOpenssl(
  `certificates that changed are used for new connections; a pair that does not fit is not${skipped}`,
  async () => {
    expect(await statusOf("right")).toBe(200);
    install(pairs.wrong);
    at.gateway.refreshUpstreams();
    expect(await statusOf("right")).toBe(502);
    install({ certificate: pairs.right.certificate, key: pairs.wrong.key });
    at.gateway.refreshUpstreams();
    expect(await statusOf("right")).toBe(502);
    install(pairs.right);
    at.gateway.refreshUpstreams();
    expect(await statusOf("right")).toBe(200);
    rmSync(join(folder, "client.key"));
    at.gateway.refreshUpstreams();
    expect(await statusOf("right")).toBe(200);
    install(pairs.right);
  },
);

withOpenssl(
  `a request of which nothing was sent is tried a second time, and only when it is idempotent${skipped}`,
  async () => {
    at.gateway.refreshUpstreams();
    const count = async (method: string, cut: number): Promise<readonly [number, number]> => {
      // The pool's connections are of the last test; a changed file gives new ones.
      install(pairs.wrong);
      at.gateway.refreshUpstreams();
      install(pairs.right);
      at.gateway.refreshUpstreams();
      connections = 0;
      cutNext = cut;
      const status = await statusOf("right", method);
      return [status, connections];
    };
    expect(await count("GET", 1)).toEqual([200, 2]);
    expect(await count("GET", 2)).toEqual([502, 2]);
    expect(await count("POST", 1)).toEqual([502, 1]);
    expect(await count("DELETE", 1)).toEqual([502, 1]);
  },
);
