import { basename } from "node:path";
import { route } from "ringwall/adapters/fastify";
import { PLATFORM_TENANT, RingwallError } from "ringwall/core";
import { carriesAssertion, type GatewayRoute, upstreamPlace } from "ringwall/network";
import { caller } from "ringwall/pipeline";
import { z } from "zod";
import type { Routes } from "../services.ts";
import type { GatewayFacts } from "./installation.ts";

const GatewayRouteAnswer = z.strictObject({
  name: z.string(),
  host: z.string(),
  path: z.string(),
  upstream: z.string().describe("Where requests go on to: an origin, or the name of a unix socket without its folder."),
  upstream_tls: z
    .enum(["none", "server", "mutual"])
    .describe("Mutual: the gateway shows a certificate of its own too."),
  mode: z.enum(["ringwall", "plain"]).describe("Whether the application behind it runs the library."),
  access: z.enum(["public", "signed-in", "role"]),
  role: z.string().nullable().describe("The lowest role that may come here; null unless access is role."),
  assertion: z.boolean().describe("Whether the application is told who asks, signed."),
  methods: z.array(z.string()).nullable().describe("Null for GET, HEAD, POST, PUT and DELETE."),
  timeout_ms: z.int(),
  connections_max: z.int(),
});

const GatewayAnswer = z.strictObject({
  running: z.boolean().describe("Whether a gateway was started beside this server."),
  host: z.string(),
  port: z.int().nullable(),
  tls: z
    .strictObject({ port: z.int(), minimum: z.string(), certificate: z.enum(["file", "development"]) })
    .nullable()
    .describe("The listener that ends TLS itself; null when there is none."),
  sign_in_host: z.string().nullable(),
  assertion_seconds: z.int(),
  items: z.array(GatewayRouteAnswer),
});

/** What the gateway leads where, as it is configured. Keys, certificates and folders are not part of it. */
export const gatewayRoutes: Routes = (services) => [
  route(
    "GET",
    "/v1/gateway-routes",
    {
      access: { permission: "admin:settings", orOperator: true },
      output: GatewayAnswer,
      summary: "Shows what the gateway leads where and who may come, for the platform's people.",
      tag: "overview",
    },
    ({ exchange }) => {
      if (!exchange.operator && caller(exchange).tenant !== PLATFORM_TENANT) {
        throw new RingwallError("access.denied", { detail: { rule: "platform.only" } });
      }
      return gatewayAnswer(services().installation.gateway);
    },
  ),
];

function gatewayAnswer({ port, settings }: GatewayFacts): z.input<typeof GatewayAnswer> {
  const { assertion, host, routes, signInHost, tls } = settings;
  return {
    running: port !== undefined,
    host,
    port: port ?? null,
    tls:
      tls === undefined
        ? null
        : { port: tls.port, minimum: tls.minimum, certificate: tls.developmentAuthority ? "development" : "file" },
    sign_in_host: signInHost ?? routes[0]?.host ?? null,
    assertion_seconds: assertion.lifeSeconds,
    items: routes.map(routeAnswer),
  };
}

function routeAnswer(one: GatewayRoute): z.input<typeof GatewayRouteAnswer> {
  const place = upstreamPlace(one.upstream);
  const isTls = place.kind === "tcp" && place.tls;
  const isMutual = one.tls?.certificateFile !== undefined;
  return {
    name: one.name,
    host: one.host,
    path: one.path,
    upstream: place.kind === "unix" ? `unix:${basename(place.path)}` : place.origin,
    upstream_tls: isMutual ? "mutual" : isTls ? "server" : "none",
    mode: one.mode,
    access: typeof one.access === "string" ? one.access : "role",
    role: typeof one.access === "string" ? null : one.access.role,
    assertion: carriesAssertion(one),
    methods: one.methods ?? null,
    timeout_ms: one.timeoutMs,
    connections_max: one.connectionsMax,
  };
}
