import type { Server } from "node:http";
import type { Socket } from "node:net";
import Fastify, {
  type FastifyError,
  type FastifyHttpOptions,
  type FastifyInstance,
  type FastifyReply,
  type FastifyRequest,
} from "fastify";
import { RingwallError, uuidv7 } from "../../core/index.ts";
import { type Exchange, type Guard, type RoutePolicy, runSteps, type Step } from "../../pipeline.ts";
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

/** A whole request must have arrived by then: a slow sender holds a connection, not a worker. */
const REQUEST_TIMEOUT_MS = 30_000;
/** Longer than load balancers keep an idle connection, so that they close first. */
const KEEP_ALIVE_MS = 65_000;
/** Node's own limit on all header bytes; the perimeter's finer limits come first. */
const HEADER_BYTES_MAX = 16_384;
const PARAM_CHARS_MAX = 200;

/** What sets one listening server apart from another. */
export interface ServerOptions {
  /** True for the local administration socket alone: its file mode is the credential. */
  readonly operator?: boolean;
}

/**
 * A Fastify server on which nothing answers without having passed Ringwall's steps.
 *
 * Registering a route without a `ringwall` policy throws. Bodies are JSON only, parsed strictly. Every answer,
 * errors included, carries the security headers and the request id; errors are `application/problem+json`.
 */
export function createServer(guard: Guard, options: ServerOptions = {}): FastifyInstance {
  const app = Fastify(serverOptions(guard));
  const arrival = guard.steps.filter((step) => step.phase === "arrival");
  const input = guard.steps.filter((step) => step.phase === "input");
  const operator = options.operator === true;

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
    proceed(arrival, exchange, reply, done);
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

function serverOptions(guard: Guard): FastifyHttpOptions<Server> {
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
    genReqId: () => uuidv7(guard.clock()),
    http: { maxHeaderSize: HEADER_BYTES_MAX, insecureHTTPParser: false },
    routerOptions: { maxParamLength: PARAM_CHARS_MAX, caseSensitive: true, ignoreTrailingSlash: false },
    clientErrorHandler: (error, socket) => answerUnparsed(error, socket, guard),
    frameworkErrors: (error, request, reply) => {
      // Before hooks ran: the router refused the address itself.
      request.exchange ??= arrive(request, guard, false);
      void sendProblem(asRingwallError(error), request, reply);
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
  return {
    id: visit.requestId,
    visit,
    authorization: raw.headers.authorization,
    policy,
    route: request.routeOptions.url ?? "(none)",
    principal: undefined,
    operator,
    sessionCookie: guard.sessionCookie,
    tier: 0,
    nonce: undefined,
    params: undefined,
    query: undefined,
    body: undefined,
    answered: false,
    refusal: undefined,
  };
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
  app.addContentTypeParser("application/json", { parseAs: "buffer" }, (_request, body, done) => {
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
  app.addHook("onSend", (request, reply, payload, done) => {
    const fields = guard.headersFor(request.exchange);
    for (let index = 0; index + 1 < fields.length; index += 2) {
      void reply.header(fields[index] ?? "", fields[index + 1] ?? "");
    }
    done(null, payload);
  });
  app.addHook("onResponse", (request, reply, done) => {
    const length = Number(reply.getHeader("content-length"));
    guard.completed(request.exchange, {
      status: reply.statusCode,
      bytes: Number.isFinite(length) ? length : 0,
      error: failures.get(request.exchange),
    });
    done();
  });
}

/** Bytes that are not HTTP never become a request; they get a plain answer and the connection is closed. */
function answerUnparsed(error: Error & { code?: string }, socket: Socket, guard: Guard): void {
  if (!socket.writable || error.code === "ECONNRESET") {
    socket.destroy();
    return;
  }
  const refusal =
    asRingwallError(error).code === "internal" ? new RingwallError("request.malformed") : asRingwallError(error);
  const body = JSON.stringify(problem(refusal, uuidv7(guard.clock())));
  socket.end(
    `HTTP/1.1 ${refusal.status} Refused\r\ncontent-type: application/problem+json\r\n` +
      "cache-control: no-store\r\nx-content-type-options: nosniff\r\nconnection: close\r\n" +
      `content-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  );
}
