import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerOptions, type ServerResponse } from "node:http";
import {
  constants,
  createSecureServer,
  type Http2SecureServer,
  type Http2ServerRequest,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from "node:http2";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { asRingwallError, problem } from "ringwall/adapters/fastify";
import { RingwallError } from "ringwall/core";
import type { ListenerTls } from "ringwall/network";
import { unreadable } from "./arrival.ts";
import { Connections } from "./connections.ts";
import { type Gateway, rawAnswer } from "./gateway.ts";

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
  readonly drainMs?: number;
}

/** Listens in plain HTTP/1.1. @param port - 0 for one that the system chooses. */
export async function listenPlain(
  gateway: Gateway,
  host: string,
  port: number,
  times: ListenTimes = {},
): Promise<Listening> {
  const connections = new Connections();
  const server = createServer({ ...http1(times), requireHostHeader: false }, (request, response) => {
    connections.answering(request.socket, response);
    gateway.handle(request, response);
  });
  server.on("connection", (socket) => connections.add(socket));
  takeUnusual(server, gateway, connections);
  const bound = await bind(server, host, port);
  return {
    port: bound,
    async close() {
      const closed = once(server, "close");
      server.close();
      await connections.drain(closed, () => server.closeIdleConnections(), times.drainMs ?? DRAIN_MS);
    },
  };
}

/** Listens in TLS with HTTP/2 and HTTP/1.1; certificates are exchanged while it runs. */
export async function listenTls(
  gateway: Gateway,
  host: string,
  port: number,
  tls: ListenerTls,
  times: ListenTimes = {},
): Promise<Listening> {
  const connections = new Connections();
  const server = createSecureServer({
    ...http1(times),
    ...tls.options(),
    allowHTTP1: true,
    maxHeaderListPairs: 100,
    settings: { maxConcurrentStreams: STREAMS_MAX, maxHeaderListSize: HEADER_BYTES_MAX, enablePush: false },
    streamResetBurst: RESETS_BURST,
    streamResetRate: RESETS_SECOND,
  });
  server.on("session", endWhenIdle);
  server.on("connection", (socket) => connections.add(socket));
  server.on("secureConnection", (socket) => connections.add(socket));
  server.on("request", (request, response) => {
    // With HTTP/1 the classes are those of `node:http`, whatever the declaration says.
    if (request.httpVersionMajor < 2) connections.answering(request.socket, response as unknown as ServerResponse);
    else if (!request.stream.endAfterHeaders) endWhenSlow(request, times.requestMs ?? REQUEST_TIMEOUT_MS);
    gateway.handle(request, response);
  });
  takeUnusual(server, gateway, connections);
  const unfollow = tls.follow(server);
  const bound = await bind(server, host, port);
  return {
    port: bound,
    async close() {
      unfollow();
      const closed = once(server, "close");
      // Sessions of HTTP/2 are told to go away, and end with their last stream.
      server.close();
      await connections.drain(closed, () => closeIdleOf(server), times.drainMs ?? DRAIN_MS);
    },
  };
}

/** What both listeners ask of HTTP/1.1. */
function http1(times: ListenTimes): ServerOptions {
  return {
    maxHeaderSize: HEADER_BYTES_MAX,
    insecureHTTPParser: false,
    headersTimeout: times.headMs ?? HEAD_TIMEOUT_MS,
    requestTimeout: times.requestMs ?? REQUEST_TIMEOUT_MS,
    connectionsCheckingInterval: times.checkMs ?? CHECK_MS,
    keepAliveTimeout: KEEP_ALIVE_MS,
  };
}

function takeUnusual(server: Server | Http2SecureServer, gateway: Gateway, connections: Connections): void {
  server.on("upgrade", (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    void gateway.upgrade(request, socket, head);
  });
  server.on("clientError", (error: Error & { code?: string }, socket: Duplex) => {
    // Half an answer, or one that was said to be the last, is followed by nothing.
    if (connections.hasSpoken(socket)) socket.end();
    else refuseUnreadable(gateway, error, socket as Socket);
  });
}

/** A session without a stream is over after a while; one with a silent stream is the relay's to end. */
function endWhenIdle(session: ServerHttp2Session): void {
  let streams = 0;
  session.on("stream", (stream: ServerHttp2Stream) => {
    streams += 1;
    stream.once("close", () => (streams -= 1));
  });
  session.setTimeout(KEEP_ALIVE_MS, () => {
    if (streams === 0) session.destroy();
  });
}

/** HTTP/2 has no time limit of the server's for a body that never ends. */
function endWhenSlow(request: Http2ServerRequest, limitMs: number): void {
  const late = setTimeout(() => request.stream.close(constants.NGHTTP2_CANCEL), limitMs);
  request.once("end", () => clearTimeout(late));
  request.once("close", () => clearTimeout(late));
}

/** In the server since Node 22, and not in its declaration. */
function closeIdleOf(server: Http2SecureServer): void {
  if ("closeIdleConnections" in server && typeof server.closeIdleConnections === "function") {
    server.closeIdleConnections();
  }
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
