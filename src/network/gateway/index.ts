/**
 * The gateway's settings: which hosts and paths lead to which application, and who may come there.
 *
 * Guards: a route says who may come, an upstream beyond this machine is reached over TLS, an assertion goes over a unix
 * socket or mutual TLS alone, two routes never share a place. Does not forward anything; that is `apps/gateway`.
 *
 * Limits: 200 routes. Fails closed: whatever does not fit is refused by its field's name when the process starts.
 *
 * @module
 */
export { carriesAssertion, GatewayConfig, type GatewayRoute, type UpstreamPlace, upstreamPlace } from "./config.ts";
