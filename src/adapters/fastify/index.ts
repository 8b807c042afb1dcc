/**
 * Ringwall in front of the routes of a Fastify 5 server.
 *
 * `createServer` gives a server whose every request passes the pipeline; `route` declares a handler together with its
 * policy. Guards: a route without a policy cannot be registered, a body reaches a handler only after its schema, an
 * error never shows more than a code. Does not guard: what a handler does with the database outside `forTenant`.
 *
 * Fails closed: an error inside a step or handler is a problem document; bytes that are not HTTP get a 400 and the
 * connection is closed.
 *
 * @module
 */
export { type Arrived, newExchange } from "./exchange.ts";
export { type Health, healthRoutes } from "./health.ts";
export { addressesOf, type Listening, listenOn } from "./listen.ts";
export { asRingwallError, type Problem, problem } from "./problem.ts";
export { Answer, type Method, type Request, type RouteDefinition, register, route } from "./route.ts";
export { createServer, type ServerOptions } from "./server.ts";
export { signedInAnswer, signedOutAnswer } from "./session.ts";
