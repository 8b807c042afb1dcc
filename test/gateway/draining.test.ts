import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { afterEach, beforeEach, expect, test } from "vitest";
import { WebSocket, WebSocketServer } from "ws";
import { type Listening, listenPlain } from "../../apps/gateway/listen.ts";
import { type GatewayStage, gatewayStage } from "./stage.ts";

let at: GatewayStage;
let listening: Listening;
beforeEach(async () => {
  at = await gatewayStage({ timeoutMs: 60_000 });
  listening = await listenPlain(at.gateway, "127.0.0.1", 0, { drainMs: 2_000 });
});
afterEach(async () => {
  await at.close();
});

interface Visitor {
  readonly socket: Socket;
  readonly closed: Promise<unknown>;
  readonly text: () => string;
}

async function visitor(bytes: string): Promise<Visitor> {
  const socket = connect(listening.port, "127.0.0.1");
  let text = "";
  socket.on("data", (chunk: Buffer) => (text += chunk.toString("latin1")));
  socket.on("error", () => {});
  const closed = once(socket, "close");
  await once(socket, "connect");
  socket.write(bytes);
  return { socket, closed, text: () => text };
}

const get = (path: string): string => `GET ${path} HTTP/1.1\r\nHost: b.localhost\r\n${who()}\r\n`;
const who = (): string => `Authorization: Bearer ${at.stage.north.ann.token}\r\n`;

/** As SIGTERM does it. */
async function drain(): Promise<void> {
  at.gateway.drain();
  await listening.close();
}

test("what runs is answered, what would never end is ended, what is idle is closed, and nothing new comes in", async () => {
  const held = new Map<string, () => void>();
  at.upstream.answer = (request, response) => {
    const path = request.url ?? "";
    if (path === "/events") response.writeHead(200, { "content-type": "text/event-stream" }).write("data: one\n\n");
    else if (path === "/begun") {
      response.write("begun");
      held.set(path, () => response.end(" and done"));
    } else if (path === "/waiting") held.set(path, () => response.end("waited for"));
    else response.end("quick");
  };
  const echo = new WebSocketServer({ noServer: true });
  at.upstream.server.on("upgrade", (request, socket, head) => echo.handleUpgrade(request, socket, head, () => {}));
  const idle = await visitor(get("/quick"));
  const events = await visitor(get("/events"));
  const begun = await visitor(get("/begun"));
  const waiting = await visitor(get("/waiting"));
  const live = new WebSocket(`ws://127.0.0.1:${listening.port}/live`, {
    headers: { host: "b.localhost", authorization: `Bearer ${at.stage.north.ann.token}` },
  });
  await once(live, "open");
  await expect.poll(() => idle.text()).toContain("quick");
  await expect.poll(() => events.text()).toContain("data: one");
  await expect.poll(() => begun.text()).toContain("begun");
  await expect.poll(() => held.size).toBe(2);
  const liveClosed = once(live, "close");
  let isDrained = false;
  const drained = drain().then(() => (isDrained = true));
  await Promise.all([idle.closed, events.closed, liveClosed]);
  const late = connect(listening.port, "127.0.0.1");
  const [refused] = (await once(late, "error")) as [Error & { code?: string }];
  expect([refused.code, isDrained]).toEqual(["ECONNREFUSED", false]);
  for (const release of held.values()) release();
  await Promise.all([begun.closed, waiting.closed, drained]);
  expect(begun.text()).toMatch(/begun[\s\S]*and done\r\n0\r\n\r\n$/);
  expect(waiting.text()).toMatch(/^HTTP\/1\.1 200 [\s\S]*connection: close\r\n[\s\S]*waited for/i);
  echo.close();
});

test("requests in a row on one connection are answered whole while the gateway drains", async () => {
  let release = (): void => {};
  at.upstream.answer = (request, response) => {
    if (request.url === "/second") response.end("second");
    else release = () => response.end("first");
  };
  // Two in a row: the second one is read when the first is answered.
  const { closed, text } = await visitor(`${get("/first")}${get("/second")}`);
  await expect.poll(() => at.upstream.seen.length).toBeGreaterThan(0);
  const drained = drain();
  release();
  await Promise.all([closed, drained]);
  const answers = text().split("HTTP/1.1 ").slice(1);
  expect(answers.length).toBeGreaterThan(0);
  for (const answer of answers) expect(answer).toMatch(/^200 [\s\S]*(?:first|second)/);
});

test("what hangs is cut at the limit", async () => {
  at.upstream.answer = () => {};
  const hanging = await visitor(get("/hangs"));
  await expect.poll(() => at.upstream.seen.length).toBe(1);
  await Promise.all([drain(), hanging.closed]);
  expect(hanging.text()).toBe("");
});

test("a WebSocket that its upstream agrees to while the gateway drains is closed, and holds nothing up", async () => {
  const echo = new WebSocketServer({ noServer: true });
  let agree = (): void => {};
  at.upstream.server.on("upgrade", (request, socket, head) => {
    agree = () => echo.handleUpgrade(request, socket, head, () => {});
    at.upstream.seen.push(request);
  });
  const live = new WebSocket(`ws://127.0.0.1:${listening.port}/live`, {
    headers: { host: "b.localhost", authorization: `Bearer ${at.stage.north.ann.token}` },
  });
  live.on("error", () => {});
  const closed = once(live, "close");
  await expect.poll(() => at.upstream.seen.length).toBe(1);
  const drained = drain();
  agree();
  await Promise.all([closed, drained]);
  echo.close();
});
