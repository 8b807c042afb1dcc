import { once } from "node:events";
import { createServer, type IncomingMessage, type Server } from "node:http";
import { createSecureServer, type Http2SecureServer, type ServerHttp2Session } from "node:http2";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { asRingwallError, problem } from "ringwall/adapters/fastify";
import { RingwallError } from "ringwall/core";
import { unreadable } from "./arrival.ts";
import { type Gateway, rawAnswer } from "./gateway.ts";
import type { ListenerTls } from "./tls.ts";

/** Of all header bytes; the perimeter's finer limits come first. */
const HEADER_BYTES_MAX = 16_384;
/** A whole head must have arrived by then, and a whole request: a slow sender holds a connection and nothing else. */
const HEAD_TIMEOUT_MS = 10_000;
const REQUEST_TIMEOUT_MS = 30_000;
const CHECK_MS = 2_000;
/** Longer than load balancers keep an idle connection, so that they close first. */
const KEEP_ALIVE_MS = 65_000;
/** What is still running when the gateway ends has this long. */
const DRAIN_MS = 5_000;
/** Streams of one HTTP/2 connection at once; a browser opens about a hundred at most. */
const STREAMS_MAX = 100;
/** Streams that a visitor opens only to reset them (CVE-2023-44487), in a burst and a second. */
const RESETS_BURST = 200;
const RESETS_SECOND = 20;

/** Open listeners. */
export interface Listening {
  readonly port: number;
  /** Stops accepting, lets what runs come to its end for five seconds, and cuts the rest. */
  close(): Promise<void>;
}

/** Times that tests shorten; left out, they are the product's. */
export interface ListenTimes {
  readonly headMs?: number;
  readonly requestMs?: number;
  readonly checkMs?: number;
}

/** Listens in plain HTTP/1.1. @param port - 0 for one that the system chooses. */
export async function listenPlain(
  gateway: Gateway,
  host: string,
  port: number,
  times: ListenTimes = {},
): Promise<Listening> {
  const server = createServer(
    {
      maxHeaderSize: HEADER_BYTES_MAX,
      insecureHTTPParser: false,
      requireHostHeader: false,
      headersTimeout: times.headMs ?? HEAD_TIMEOUT_MS,
      requestTimeout: times.requestMs ?? REQUEST_TIMEOUT_MS,
      connectionsCheckingInterval: times.checkMs ?? CHECK_MS,
      keepAliveTimeout: KEEP_ALIVE_MS,
    },
    (request, response) => gateway.handle(request, response),
  );
  server.on("upgrade", (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    void gateway.upgrade(request, socket, head);
  });
  server.on("clientError", (error: Error & { code?: string }, socket: Duplex) =>
    refuseUnreadable(gateway, error, socket as Socket),
  );
  const bound = await bind(server, host, port);
  return {
    port: bound,
    async close() {
      const closed = once(server, "close");
      server.close();
      server.closeIdleConnections();
      const late = setTimeout(() => server.closeAllConnections(), DRAIN_MS);
      await closed;
      clearTimeout(late);
    },
  };
}

/** Listens in TLS with HTTP/2 and HTTP/1.1; certificates are exchanged while it runs. */
export async function listenTls(gateway: Gateway, host: string, port: number, tls: ListenerTls): Promise<Listening> {
  const server = createSecureServer({
    allowHTTP1: true,
    minVersion: tls.minimum,
    ...tls.present(),
    maxHeaderListPairs: 100,
    settings: { maxConcurrentStreams: STREAMS_MAX, maxHeaderListSize: HEADER_BYTES_MAX, enablePush: false },
    streamResetBurst: RESETS_BURST,
    streamResetRate: RESETS_SECOND,
    handshakeTimeout: HEAD_TIMEOUT_MS,
  });
  const sessions = new Set<ServerHttp2Session>();
  const sockets = new Set<Socket>();
  server.on("session", (session) => {
    sessions.add(session);
    session.once("close", () => sessions.delete(session));
  });
  server.on("secureConnection", (socket) => {
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
  });
  server.setTimeout(KEEP_ALIVE_MS);
  server.on("request", (request, response) => gateway.handle(request, response));
  server.on("upgrade", (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    void gateway.upgrade(request, socket, head);
  });
  server.on("clientError", (error: Error & { code?: string }, socket: Duplex) =>
    refuseUnreadable(gateway, error, socket as Socket),
  );
  tls.onChange((files) => server.setSecureContext(files));
  const bound = await bind(server, host, port);
  return {
    port: bound,
    async close() {
      const closed = once(server, "close");
      server.close();
      for (const session of sessions) session.close();
      const late = setTimeout(() => {
        for (const socket of sockets) socket.destroy();
      }, DRAIN_MS);
      await closed;
      clearTimeout(late);
    },
  };
}

/** @throws RingwallError `config.invalid` when the port is taken: a stranger would answer in our place */
async function bind(server: Server | Http2SecureServer, host: string, port: number): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once("error", reject);
  server.listen({ host, port }, resolve);
  try {
    await promise;
  } catch (error) {
    const code = error instanceof Error && "code" in error ? error.code : undefined;
    if (code !== "EADDRINUSE") throw error;
    const message = `port ${port} of ${host} is taken; stop what uses it, or choose another port`;
    throw new RingwallError("config.invalid", { message, cause: error });
  }
  server.removeListener("error", reject);
  const place = server.address();
  return typeof place === "object" && place !== null ? place.port : port;
}

/** Bytes that are no HTTP get a problem document like everything else, and the connection is closed. */
function refuseUnreadable(gateway: Gateway, error: Error & { code?: string }, socket: Socket): void {
  if (!socket.writable || error.code === "ECONNRESET") {
    socket.destroy();
    return;
  }
  const { guard } = gateway;
  const found = asRingwallError(error);
  const refusal = found.code === "internal" ? new RingwallError("request.malformed", { cause: error }) : found;
  const exchange = unreadable(guard, socket);
  exchange.refusal = refusal.code;
  const body = JSON.stringify(problem(refusal, exchange.id));
  const length = String(Buffer.byteLength(body));
  const own = ["content-type", "application/problem+json", "connection", "close", "content-length", length];
  socket.end(rawAnswer(refusal.status, [...own, ...guard.headersFor(exchange)], body));
  guard.completed(exchange, { status: refusal.status, bytes: body.length, error: refusal });
}
