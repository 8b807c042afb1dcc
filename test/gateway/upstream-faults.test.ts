import { once } from "node:events";
import { connect } from "node:net";
import { afterAll, beforeAll, expect, test } from "vitest";
import { WebSocket, WebSocketServer } from "ws";
import { ask, rawExchange } from "./http.ts";
import { type GatewayStage, gatewayStage } from "./stage.ts";

let at: GatewayStage;
beforeAll(async () => {
  at = await gatewayStage({ timeoutMs: 400 });
});
afterAll(async () => {
  await at.close();
});

const open = { host: "open.localhost" };

function expectProblem(answer: { status: number; headers: object; text: string }, status: number, code: string): void {
  expect(answer.status).toBe(status);
  const problem = JSON.parse(answer.text) as Record<string, unknown>;
  expect(problem).toMatchObject({ status, code });
  expect(answer.headers).toMatchObject({
    "x-request-id": problem["request_id"],
    "content-type": "application/problem+json",
  });
  expect(Object.keys(problem).sort()).toEqual(["code", "request_id", "status", "title", "type"]);
}

test("an upstream that is not there is a 502", async () => {
  expectProblem(await ask(at.port, { host: "dead.localhost" }), 502, "upstream.unavailable");
});

test("an upstream that hangs is a 504", async () => {
  at.upstream.answer = () => {};
  expectProblem(await ask(at.port, open), 504, "upstream.timeout");
});

test("an upstream that dies before it answers is a 502, and what was sent is not sent again", async () => {
  at.upstream.seen.length = 0;
  at.upstream.answer = (request) => request.socket.destroy();
  expectProblem(await ask(at.port, open), 502, "upstream.unavailable");
  expectProblem(await ask(at.port, { ...open, method: "POST", body: "x" }), 502, "upstream.unavailable");
  expect(at.upstream.seen).toHaveLength(2);
});

test.each<[string, string]>([
  ["rubbish", "lorem ipsum\r\n\r\n"],
  ["two lengths", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab"],
  ["a head without end", `HTTP/1.1 200 OK\r\nX: ${"y".repeat(40_000)}`],
  [
    "an upgrade that nobody asked for",
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: evil\r\nConnection: Upgrade\r\n\r\n",
  ],
])("an upstream that answers %s is a 502", async (_what, bytes) => {
  at.upstream.answer = (request) => request.socket.end(bytes, "latin1");
  expectProblem(await ask(at.port, open), 502, "upstream.unavailable");
});

test("an answer that breaks off is broken off for the visitor too, and never looks whole", async () => {
  at.upstream.answer = (request, response) => {
    response.writeHead(200, { "content-length": "100" });
    response.write("half", () => request.socket.destroy());
  };
  await expect(ask(at.port, open)).rejects.toThrow();
  at.upstream.answer = (request, response) => {
    response.write("half", () => request.socket.destroy());
  };
  const text = await rawExchange(at.port, "GET / HTTP/1.1\r\nHost: open.localhost\r\n\r\n");
  expect(text).toContain("half");
  expect(text).not.toMatch(/0\r\n\r\n$/);
});

test("an answer that falls silent is ended when it is looked at", async () => {
  at.upstream.answer = (_request, response) => void response.write("half");
  let isOver = false;
  const ended = expect(ask(at.port, open).finally(() => (isOver = true))).rejects.toThrow();
  await expect
    .poll(async () => {
      await at.advance(1_000);
      await at.gateway.sweep();
      return isOver;
    })
    .toBe(true);
  await ended;
});

test("more requests than a route takes are told to come again", async () => {
  const held: (() => void)[] = [];
  at.upstream.answer = (_request, response) => void held.push(() => response.end("ok"));
  // Two connections, and four that may wait for each.
  const asked = Array.from({ length: 10 }, async () => await ask(at.port, open));
  await expect.poll(() => held.length).toBe(2);
  expectProblem(await ask(at.port, open), 503, "upstream.busy");
  at.upstream.answer = (_request, response) => response.end("ok");
  for (const release of held) release();
  expect(new Set((await Promise.all(asked)).map(({ status }) => status))).toEqual(new Set([200]));
});

test.each(["Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", "Content-Length: 100\r\n\r\nhello"])(
  "a body that is cut while its request waits for a connection ends that request alone: %j",
  async (rest) => {
    const held: (() => void)[] = [];
    at.upstream.answer = (_request, response) => void held.push(() => response.end("ok"));
    const asked = Array.from({ length: 2 }, async () => await ask(at.port, open));
    await expect.poll(() => held.length).toBe(2);
    const errors: unknown[] = [];
    const keep = (error: unknown): void => void errors.push(error);
    process.on("uncaughtException", keep);
    const socket = connect(at.port, "127.0.0.1");
    socket.on("error", () => {});
    await once(socket, "connect");
    socket.write(`POST /cut HTTP/1.1\r\nHost: open.localhost\r\n${rest}`);
    // Another one behind it shows that the gateway has read the first.
    expectProblem(await ask(at.port, { host: "dead.localhost" }), 502, "upstream.unavailable");
    socket.destroy();
    expectProblem(await ask(at.port, { host: "dead.localhost" }), 502, "upstream.unavailable");
    for (const release of held) release();
    await Promise.all(asked);
    process.off("uncaughtException", keep);
    expect(errors).toEqual([]);
  },
);

test("a large answer goes through at the visitor's pace", async () => {
  // Far more than the kernel keeps for the two connections.
  const size = 96_000_000;
  let sent = 0;
  at.upstream.answer = (_request, response) => {
    const chunk = Buffer.alloc(256_000, "x");
    const push = (): void => {
      while (sent < size) {
        sent += chunk.length;
        if (!response.write(chunk)) return void response.once("drain", push);
      }
      response.end();
    };
    push();
  };
  const socket = connect(at.port, "127.0.0.1");
  socket.write("GET / HTTP/1.1\r\nHost: open.localhost\r\nConnection: close\r\n\r\n");
  await once(socket, "readable");
  socket.pause();
  // Nobody reads: after the buffers of both sides, the upstream may not get rid of more.
  let before = -1;
  await expect.poll(() => [before, (before = sent)].every((value) => value === sent), { interval: 200 }).toBe(true);
  expect(sent).toBeLessThan(size);
  let read = 0;
  socket.on("data", (chunk: Buffer) => (read += chunk.length));
  socket.resume();
  await once(socket, "close");
  expect(read).toBeGreaterThan(size);
});

test("events arrive one by one, and end with the session", async () => {
  const { auditor } = at.stage.south;
  const say: ((text: string) => void)[] = [];
  at.upstream.answer = (_request, response) => {
    response.writeHead(200, { "content-type": "text/event-stream" });
    response.flushHeaders();
    say.push((text) => response.write(`data: ${text}\n\n`));
  };
  const socket = connect(at.port, "127.0.0.1");
  let text = "";
  socket.on("data", (chunk: Buffer) => (text += chunk.toString()));
  socket.on("error", () => {});
  socket.write(`GET / HTTP/1.1\r\nHost: b.localhost\r\nAuthorization: Bearer ${auditor.token}\r\n\r\n`);
  await expect.poll(() => say.length).toBe(1);
  say[0]?.("one");
  await expect.poll(() => text).toContain("data: one");
  await at.gateway.sweep();
  say[0]?.("two");
  await expect.poll(() => text).toContain("data: two");
  const closed = once(socket, "close");
  await at.stage.ringwall.identity.signOut(auditor.principal);
  await at.gateway.sweep();
  await closed;
});

test("WebSockets go both ways, need the session, obey the origin, and end with the session", async () => {
  const { ben } = at.stage.south;
  const echo = new WebSocketServer({ noServer: true });
  at.upstream.server.on("upgrade", (request, socket, head) => {
    echo.handleUpgrade(request, socket, head, (peer) => {
      expect(JSON.stringify(request.rawHeaders)).not.toContain("rws_");
      peer.on("message", (data: Buffer) => peer.send(`echo ${data.toString()}`));
    });
  });
  const dial = (headers: Record<string, string>): WebSocket =>
    new WebSocket(`ws://127.0.0.1:${at.port}/live`, { headers: { host: `a.localhost:${at.port}`, ...headers } });
  const refusedWith = async (socket: WebSocket): Promise<string> => {
    const [error] = (await once(socket, "error")) as [Error];
    return error.message;
  };
  expect(await refusedWith(dial({}))).toContain("401");
  const signedIn = { authorization: `Bearer ${ben.token}` };
  expect(await refusedWith(dial({ ...signedIn, origin: "https://evil.example" }))).toContain("403");
  const socket = dial(signedIn);
  await once(socket, "open");
  socket.send("hello");
  const [data] = (await once(socket, "message")) as [Buffer];
  expect(data.toString()).toBe("echo hello");
  const closed = once(socket, "close");
  await at.stage.ringwall.identity.signOut(ben.principal);
  await at.gateway.sweep();
  await closed;
  echo.close();
});

test("an upgrade that the upstream declines is a 502", async () => {
  const { ann } = at.stage.south;
  at.upstream.server.removeAllListeners("upgrade");
  at.upstream.answer = (_request, response) => response.end("no");
  const socket = new WebSocket(`ws://127.0.0.1:${at.port}/live`, {
    headers: { host: `a.localhost:${at.port}`, authorization: `Bearer ${ann.token}` },
  });
  const [error] = (await once(socket, "error")) as [Error];
  expect(error.message).toContain("502");
});
