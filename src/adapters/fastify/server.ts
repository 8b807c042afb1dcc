import type { ServerOptions as HttpOptions, RequestListener, Server } from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { Socket } from "node:net";
import { TLSSocket } from "node:tls";
import Fastify, {
  type FastifyError,
  type FastifyHttpOptions,
  type FastifyInstance,
  type FastifyReply,
  type FastifyRequest,
} from "fastify";
import { RingwallError } from "../../core/index.ts";
import type { AssertionVerifier, ListenerTls } from "../../network/index.ts";
import { isJsonMediaType } from "../../perimeter/index.ts";
import { type Exchange, type Guard, type RoutePolicy, runSteps, type Step } from "../../pipeline.ts";
import { arriveAsserted, assertedSteps } from "./assertion.ts";
import { newExchange } from "./exchange.ts";
import { asRingwallError, problem } from "./problem.ts";

declare module "fastify" {
  interface FastifyRequest {
    /** The request on its way through Ringwall. Set before any other hook runs. */
    exchange: Exchange;
  }
  interface FastifyContextConfig {
    ringwall?: RoutePolicy;
  }
}

/** For answers to requests that no route takes. Refused or not, they pass the perimeter and are logged. */
const NO_ROUTE: RoutePolicy = { access: "public", summary: "No route takes this request.", auditRefusals: false };

/** What is still running when a server closes has this long; a body that never ends must not keep it open. */
const DRAIN_MS = 5_000;
/** A whole request must have arrived by then: a slow sender holds a connection, not a worker. */
const REQUEST_TIMEOUT_MS = 30_000;
/** Longer than load balancers keep an idle connection, so that they close first. */
const KEEP_ALIVE_MS = 65_000;
/** Node's own limit on all header bytes; the perimeter's finer limits come first. */
const HEADER_BYTES_MAX = 16_384;
const PARAM_CHARS_MAX = 200;
const HTTP_OPTIONS = {
  maxHeaderSize: HEADER_BYTES_MAX,
  insecureHTTPParser: false,
  requireHostHeader: false,
} as const satisfies HttpOptions;

/** What sets one listening server apart from another. */
export interface ServerOptions {
  /** True for the local administration socket alone: its file mode is the credential. */
  readonly operator?: boolean;
  /** Certificate and key of this server; left out, it speaks plain HTTP. */
  readonly tls?: ListenerTls | undefined;
  /**
   * For an application behind the gateway: every request must bring a valid assertion, over a unix socket or mutual TLS,
   * and the gateway's steps are not run again. Without it, assertions mean nothing here.
   */
  readonly assertion?: AssertionVerifier;
}

/**
 * A Fastify server on which nothing answers without having passed Ringwall's steps.
 *
 * Registering a route without a `ringwall` policy throws. Bodies are JSON only, parsed strictly. Every answer,
 * errors included, carries the security headers and the request id; errors are `application/problem+json`.
 */
export function createServer(guard: Guard, options: ServerOptions = {}): FastifyInstance {
  const operator = options.operator === true;
  const { assertion } = options;
  const steps = assertion === undefined ? guard.steps : assertedSteps(guard.steps);
  const arrival = steps.filter((step) => step.phase === "arrival");
  const app = Fastify({
    ...serverOptions(guard, operator, arrival),
    ...(options.tls === undefined ? {} : secure(options.tls)),
  });
  const input = steps.filter((step) => step.phase === "input");

  // Fastify wants decorated references declared before they are set, so that requests keep one hidden class.
  app.decorateRequest("exchange", null as unknown as Exchange);
  app.addHook("onRoute", (route) => {
    if (route.config?.ringwall === undefined) throw new TypeError(`route ${route.url} has no ringwall policy`);
    const bytesMax = route.config.ringwall.bodyBytesMax;
    if (bytesMax !== undefined) route.bodyLimit = bytesMax;
  });
  readStrictJson(app, guard);
  app.addHook("onRequest", (request, reply, done) => {
    const exchange = arrive(request, guard, operator);
    request.exchange = exchange;
    // Nobody takes the body of a request that no route takes, so it is not waited for either.
    const missing = exchange.policy === NO_ROUTE ? new RingwallError("resource.not_found") : undefined;
    const go = (): void => proceed(arrival, request.exchange, reply, (refused) => done(refused ?? missing));
    if (assertion === undefined) return go();
    void settle(arriveAsserted(app.server, request, guard, assertion), go, done);
  });
  app.addHook("preValidation", (request, reply, done) => {
    const { exchange } = request;
    if (exchange.policy === NO_ROUTE) return done();
    exchange.params = request.params;
    exchange.query = request.query;
    exchange.body = request.body;
    proceed(input, exchange, reply, done);
  });
  answerErrors(app);
  finish(app, guard);
  return app;
}

function serverOptions(guard: Guard, operator: boolean, arrival: readonly Step[]): FastifyHttpOptions<Server> {
  return {
    logger: false,
    bodyLimit: guard.bodyBytesMax,
    requestTimeout: REQUEST_TIMEOUT_MS,
    connectionTimeout: 0,
    keepAliveTimeout: KEEP_ALIVE_MS,
    forceCloseConnections: "idle",
    // What still comes over an open connection while the server drains is answered as always, by Ringwall, and told that
    // the connection closes; Fastify's own refusal would be no problem document and have none of our headers.
    return503OnClosing: false,
    exposeHeadRoutes: false,
    requestIdHeader: false,
    // The exchange has an id of its own, which everybody uses.
    genReqId: () => "",
    http: HTTP_OPTIONS,
    routerOptions: { maxParamLength: PARAM_CHARS_MAX, caseSensitive: true, ignoreTrailingSlash: false },
    clientErrorHandler: (error, socket) => answerUnparsed(error, socket, guard, operator),
    frameworkErrors: (error, request, reply) => {
      // The router refused the address itself: no hook runs for it, neither before nor after.
      request.exchange ??= arrive(request, guard, operator);
      reply.raw.once("finish", () => complete(request.exchange, reply, guard));
      // Counted and refused by the arrival steps as any other; what they let through is refused for its address.
      proceed(arrival, request.exchange, reply, (refused) => {
        putFields(reply, guard.headersFor(request.exchange));
        void sendProblem(asRingwallError(refused ?? error), request, reply);
      });
    },
  };
}

/** The same server behind TLS. Fastify sets its limits on servers that it makes itself, so they are set here. */
function secure(tls: ListenerTls): { serverFactory: (handler: RequestListener) => Server } {
  return {
    serverFactory(handler) {
      const server = createTlsServer({ ...HTTP_OPTIONS, ...tls.options() }, handler);
      server.keepAliveTimeout = KEEP_ALIVE_MS;
      server.requestTimeout = REQUEST_TIMEOUT_MS;
      const stop = tls.follow(server);
      server.once("close", stop);
      return server;
    },
  };
}

function arrive(request: FastifyRequest, guard: Guard, operator: boolean): Exchange {
  const { raw } = request;
  const policy = request.routeOptions.config.ringwall ?? NO_ROUTE;
  const visit = guard.open({
    method: raw.method ?? "",
    target: raw.url ?? "",
    rawHeaders: raw.rawHeaders,
    socketAddress: raw.socket.remoteAddress,
    tls: "encrypted" in raw.socket,
    route: policy.limit,
  });
  const route = request.routeOptions.url ?? "(none)";
  return newExchange(guard, { visit, authorization: raw.headers.authorization, policy, route, operator });
}

/** Runs a phase without leaving the current turn when every step is synchronous. */
function proceed(steps: readonly Step[], exchange: Exchange, reply: FastifyReply, done: (error?: Error) => void): void {
  let pending: void | Promise<void>;
  try {
    pending = runSteps(steps, exchange);
  } catch (error) {
    done(asRingwallError(error));
    return;
  }
  const go = (): void => {
    // The perimeter answered by itself (a CORS preflight): no handler may run.
    if (exchange.answered) void reply.code(204).send();
    else done();
  };
  if (pending === undefined) go();
  else void settle(pending, go, done);
}

async function settle(pending: Promise<void>, go: () => void, done: (error?: Error) => void): Promise<void> {
  try {
    await pending;
  } catch (error) {
    done(asRingwallError(error));
    return;
  }
  go();
}

function readStrictJson(app: FastifyInstance, guard: Guard): void {
  app.removeAllContentTypeParsers();
  app.addContentTypeParser("application/json", { parseAs: "buffer" }, (request, body, done) => {
    // Fastify matches the type alone; with another charset the bytes would mean something else to the sender.
    if (!isJsonMediaType(request.headers["content-type"])) {
      done(new RingwallError("request.media_type"), undefined);
      return;
    }
    try {
      done(null, guard.parseBody(typeof body === "string" ? Buffer.from(body) : body));
    } catch (error) {
      done(asRingwallError(error), undefined);
    }
  });
}

function answerErrors(app: FastifyInstance): void {
  app.setErrorHandler((error: FastifyError, request, reply) => sendProblem(asRingwallError(error), request, reply));
  app.setNotFoundHandler((request, reply) => sendProblem(new RingwallError("resource.not_found"), request, reply));
}

const failures = new WeakMap<Exchange, RingwallError>();

function sendProblem(error: RingwallError, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  failures.set(request.exchange, error);
  request.exchange.refusal = error.code;
  if (error.retryAfterSeconds !== undefined) void reply.header("retry-after", String(error.retryAfterSeconds));
  // RFC 9110, 11.6.1: a 401 names the scheme. The session is a bearer token in a cookie or in this header.
  if (error.status === 401) void reply.header("www-authenticate", "Bearer");
  return reply
    .code(error.status)
    .type("application/problem+json")
    .send(JSON.stringify(problem(error, request.exchange.id)));
}

function finish(app: FastifyInstance, guard: Guard): void {
  app.addHook("preClose", (done) => {
    const late = setTimeout(() => app.server.closeAllConnections(), DRAIN_MS);
    app.server.once("close", () => clearTimeout(late));
    done();
  });
  app.addHook("onSend", (request, reply, payload, done) => {
    putFields(reply, guard.headersFor(request.exchange));
    done(null, payload);
  });
  app.addHook("onResponse", (request, reply, done) => {
    complete(request.exchange, reply, guard);
    done();
  });
}

function putFields(reply: FastifyReply, fields: readonly string[]): void {
  for (let index = 0; index + 1 < fields.length; index += 2) {
    void reply.header(fields[index] ?? "", fields[index + 1] ?? "");
  }
}

function complete(exchange: Exchange, reply: FastifyReply, guard: Guard): void {
  const length = Number(reply.getHeader("content-length"));
  const bytes = Number.isFinite(length) ? length : 0;
  guard.completed(exchange, { status: reply.statusCode, bytes, error: failures.get(exchange) });
}

/** No answer can be read before the handshake is done, and nobody has asked anything yet. */
function isHandshake(socket: Socket): boolean {
  return socket instanceof TLSSocket && socket.getProtocol() === null;
}

/** Bytes that are not HTTP never become a request; they get an answer with every field, and the connection is closed. */
function answerUnparsed(error: Error & { code?: string }, socket: Socket, guard: Guard, operator: boolean): void {
  if (!socket.writable || error.code === "ECONNRESET" || isHandshake(socket)) {
    socket.destroy();
    return;
  }
  const found = asRingwallError(error);
  const refusal = found.code === "internal" ? new RingwallError("request.malformed", { cause: error }) : found;
  const visit = guard.open({
    method: "",
    target: "",
    rawHeaders: [],
    socketAddress: socket.remoteAddress,
    tls: "encrypted" in socket,
  });
  const route = "(none)";
  const exchange = newExchange(guard, { visit, authorization: undefined, policy: NO_ROUTE, route, operator });
  const body = JSON.stringify(problem(refusal, exchange.id));
  const length = String(Buffer.byteLength(body));
  const own = ["content-type", "application/problem+json", "connection", "close", "content-length", length];
  const fields = [...own, ...guard.headersFor(exchange)];
  const lines = fields.flatMap((name, index) => (index % 2 === 0 ? [`${name}: ${fields[index + 1] ?? ""}\r\n`] : []));
  socket.end(`HTTP/1.1 ${refusal.status} Refused\r\n${lines.join("")}\r\n${body}`);
  guard.completed(exchange, { status: refusal.status, bytes: body.length, error: refusal });
}
