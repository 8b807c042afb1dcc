import type { Socket } from "node:net";
import { newExchange } from "ringwall/adapters/fastify";
import { RingwallError } from "ringwall/core";
import type { Exchange, Guard, RoutePolicy } from "ringwall/pipeline";
import type { Incoming } from "./call.ts";
import { fieldsOfHttp2 } from "./fields.ts";
import type { Route, RouteTable } from "./routes.ts";

/** The gateway's own places, on every host. */
export const OWN_PREFIX = "/.ringwall/";
export const KEY_SET_PATH = "/.well-known/ringwall/jwks.json";

/** For what no route takes. */
const NO_ROUTE: RoutePolicy = { access: "public", summary: "No route takes this request.", auditRefusals: false };
/** A form with a password of 1,024 characters, each encoded, and the rest. */
export const FORM_BYTES_MAX = 16_384;
const OWN = { access: "publicOrPrincipal", profile: "html", summary: "Ringwall's own pages." } as const;
const OWN_POLICIES: ReadonlyMap<string, RoutePolicy> = new Map<string, RoutePolicy>([
  [`GET ${KEY_SET_PATH}`, { access: "public", summary: "The keys that verify assertions." }],
  ["GET /.ringwall/healthz", { access: "public", liveness: true, summary: "The gateway lives." }],
  ["GET /.ringwall/sign-in", OWN],
  ["POST /.ringwall/sign-in", { ...OWN, limit: "sign-in" }],
  ["POST /.ringwall/sign-in/code", { ...OWN, limit: "sign-in" }],
  ["POST /.ringwall/sign-in/enrolment", { ...OWN, limit: "sign-in" }],
  ["GET /.ringwall/callback", { ...OWN, limit: "sign-in" }],
  ["GET /.ringwall/sign-out", OWN],
  ["POST /.ringwall/sign-out", OWN],
]);

/** What a request is, before anybody trusted any of it. */
export interface Arrival {
  readonly exchange: Exchange;
  readonly raw: readonly string[];
  readonly target: string;
  readonly hostName: string;
  /** `Host` as it came, in lower case. */
  readonly authority: string;
  readonly route: Route | undefined;
  /** The own place that is asked for, as method and path. */
  readonly own: string | undefined;
  /** What is wrong with its place; thrown when the perimeter has counted the request. */
  readonly flaw: RingwallError | undefined;
}

/** Reads a request's head and finds its route. Never throws. */
export function arrive(request: Incoming, guard: Guard, table: RouteTable, hosts: ReadonlySet<string>): Arrival {
  const raw = request.httpVersionMajor < 2 ? request.rawHeaders : fieldsOfHttp2(request.rawHeaders);
  const target = request.url ?? "";
  const authority = authorityOf(raw);
  const hostName = authority.replace(/:[0-9]{1,5}$/, "");
  const place = placeOf(request.method ?? "", target, hostName, table, hosts);
  const visit = guard.open({
    method: request.method ?? "",
    target,
    rawHeaders: raw,
    socketAddress: request.socket.remoteAddress,
    tls: isEncrypted(request.socket),
    route: place.policy.limit,
  });
  const { own, policy, route } = place;
  const flaw = place.flaw ?? versionFlaw(request.httpVersion, visit.header.transferEncoding);
  const name = route?.settings.name ?? own ?? "(none)";
  const authorization = fieldOf(raw, "authorization");
  return {
    exchange: newExchange(guard, { visit, authorization, policy, route: name, operator: false }),
    raw,
    target,
    hostName,
    authority,
    route,
    own,
    flaw,
  };
}

/** HTTP/1.0 knows no chunks, and whoever stands before the gateway may have read another end (RFC 9112, section 6.1). */
function versionFlaw(version: string, transferEncoding: string | undefined): RingwallError | undefined {
  if (version !== "1.0" || transferEncoding === undefined) return undefined;
  return new RingwallError("request.malformed", { detail: { reason: "chunks_of_old_protocol" } });
}

interface Place {
  readonly policy: RoutePolicy;
  readonly route: Route | undefined;
  readonly own: string | undefined;
  readonly flaw: RingwallError | undefined;
}

function placeOf(
  method: string,
  target: string,
  hostName: string,
  table: RouteTable,
  hosts: ReadonlySet<string>,
): Place {
  const nowhere = (flaw: RingwallError): Place => ({ policy: NO_ROUTE, route: undefined, own: undefined, flaw });
  if (!hosts.has(hostName)) return nowhere(new RingwallError("request.host_unknown"));
  if (target.startsWith("/.")) {
    const query = target.indexOf("?");
    const own = `${method} ${query === -1 ? target : target.slice(0, query)}`;
    const policy = OWN_POLICIES.get(own);
    if (policy !== undefined) return { policy, route: undefined, own, flaw: undefined };
    if (isOwnPlace(target)) return nowhere(new RingwallError("resource.not_found"));
  }
  try {
    const route = table.find(hostName, target);
    if (route === undefined) return nowhere(new RingwallError("resource.not_found"));
    return { policy: route.policy, route, own: undefined, flaw: undefined };
  } catch (error) {
    return nowhere(error instanceof RingwallError ? error : new RingwallError("internal", { cause: error }));
  }
}

function isOwnPlace(target: string): boolean {
  return target.startsWith(OWN_PREFIX) || target.startsWith("/.well-known/ringwall/");
}

/** An exchange for bytes that were no request. */
export function unreadable(guard: Guard, socket: Socket): Exchange {
  const visit = guard.open({
    method: "",
    target: "",
    rawHeaders: [],
    socketAddress: socket.remoteAddress,
    tls: isEncrypted(socket),
  });
  return newExchange(guard, { visit, authorization: undefined, policy: NO_ROUTE, route: "(none)", operator: false });
}

function isEncrypted(socket: object): boolean {
  return "encrypted" in socket && socket.encrypted === true;
}

function authorityOf(raw: readonly string[]): string {
  return (fieldOf(raw, "host") ?? "").toLowerCase();
}

function fieldOf(raw: readonly string[], name: string): string | undefined {
  for (let index = 0; index + 1 < raw.length; index += 2) {
    const found = raw[index] ?? "";
    if (found.length === name.length && found.toLowerCase() === name) return raw[index + 1];
  }
  return undefined;
}
