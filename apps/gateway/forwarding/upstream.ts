import { readFileSync } from "node:fs";
import { request as plainRequest, type RequestOptions } from "node:http";
import { request as tlsRequest } from "node:https";
import { isIP } from "node:net";
import { createSecureContext } from "node:tls";
import { RingwallError } from "ringwall/core";
import { type GatewayRoute, type UpstreamPlace, upstreamPlace } from "ringwall/network";
import { buildConnector, Pool } from "undici";

const CONNECT_MS = 5_000;
/** Shorter than most servers keep an idle connection, so that we close first and nothing is sent into a closed one. */
const KEEP_ALIVE_MS = 4_000;
/** Waiting for a connection costs memory here and patience there; beyond this a quick refusal is kinder. */
const WAITING_PER_CONNECTION = 4;
const ANSWER_HEADER_BYTES_MAX = 32_768;

/** Where one route's requests go. */
export interface Upstream {
  /** The connections to use now. */
  pool(): Pool;
  /** `Host`, when the visitor's is not handed on. */
  readonly host: string;
  /** Requests under way or waiting, upgraded connections included. */
  busy: number;
  readonly busyMax: number;
  /** For an upgrade, which takes a connection of its own. */
  readonly dial: (options: RequestOptions) => ReturnType<typeof plainRequest>;
  /**
   * Reads the certificates again. What changed counts for new connections; what runs goes on over the old ones.
   * @throws RingwallError `config.invalid` for files that do not fit; the old ones stay in use
   */
  refresh(): "unchanged" | "changed";
}

/** @throws RingwallError `config.invalid` when a certificate cannot be read, or does not belong to its key */
export function openUpstream(route: GatewayRoute): Upstream {
  const place = upstreamPlace(route.upstream);
  let tls = tlsOptions(route);
  let pool = openPool(route, place, tls);
  const target =
    place.kind === "unix" ? { socketPath: place.path } : { host: nameOf(place), port: new URL(place.origin).port };
  const request = place.kind === "tcp" && place.tls ? tlsRequest : plainRequest;
  return {
    pool: () => pool,
    host: place.kind === "unix" ? "localhost" : place.host,
    busy: 0,
    busyMax: route.connectionsMax * (1 + WAITING_PER_CONNECTION),
    dial: (options) => request({ ...options, ...target, ...tls, agent: false, timeout: route.timeoutMs }),
    refresh() {
      const found = tlsOptions(route);
      if (found.ca === tls.ca && found.cert === tls.cert && found.key === tls.key) return "unchanged";
      const old = pool;
      tls = found;
      pool = openPool(route, place, tls);
      // Waits for what runs. That a connection was broken already is no matter any more.
      old.close().catch(() => {});
      return "changed";
    },
  };
}

function openPool(route: GatewayRoute, place: UpstreamPlace, tls: UpstreamTls): Pool {
  return new Pool(place.kind === "unix" ? "http://localhost" : place.origin, {
    connections: route.connectionsMax,
    pipelining: 1,
    headersTimeout: route.timeoutMs,
    // Silence within an answer is watched by the gateway itself: an event stream may be silent for longer.
    bodyTimeout: 0,
    keepAliveTimeout: KEEP_ALIVE_MS,
    maxHeaderSize: ANSWER_HEADER_BYTES_MAX,
    allowH2: false,
    connect: connectorOf(place, tls),
  });
}

/** As undici connects, except for whose name a certificate must have: not that of `Host`, which is the visitor's. */
function connectorOf(place: UpstreamPlace, tls: UpstreamTls): buildConnector.connector {
  const own = { timeout: CONNECT_MS, allowH2: false, ...tls };
  const connect = buildConnector(place.kind === "unix" ? { ...own, socketPath: place.path } : own);
  const name = place.kind === "unix" ? "" : nameOf(place);
  // An address has no server name; the certificate is held against the address itself.
  const servername = isIP(name) === 0 ? name : "";
  return (options, callback) => connect({ ...options, servername }, callback);
}

function nameOf({ origin }: { readonly origin: string }): string {
  return new URL(origin).hostname.replaceAll(/[[\]]/g, "");
}

/** Takes a place, which the caller gives back by counting `busy` down. @throws RingwallError `upstream.busy` */
export function takePlace(upstream: Upstream): void {
  if (upstream.busy >= upstream.busyMax) throw new RingwallError("upstream.busy", { retryAfterSeconds: 1 });
  upstream.busy += 1;
}

interface UpstreamTls {
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
  readonly minVersion: "TLSv1.2" | "TLSv1.3";
}

function tlsOptions({ name, tls }: GatewayRoute): UpstreamTls {
  const read = (field: string, file: string): string => {
    try {
      return readFileSync(file, "utf8");
    } catch (cause) {
      throw refused(name, `${field} cannot be read`, cause);
    }
  };
  const options = {
    minVersion: tls?.minimum ?? ("TLSv1.3" as const),
    ...(tls?.caFile === undefined ? {} : { ca: read("caFile", tls.caFile) }),
    ...(tls?.certificateFile === undefined ? {} : { cert: read("certificateFile", tls.certificateFile) }),
    ...(tls?.keyFile === undefined ? {} : { key: read("keyFile", tls.keyFile) }),
  };
  try {
    createSecureContext(options);
  } catch {
    // OpenSSL's own message is not passed on: it may be about a private key.
    throw refused(name, "certificateFile, keyFile and caFile are no PEM, or do not belong together");
  }
  return options;
}

function refused(route: string, why: string, cause?: unknown): RingwallError {
  return new RingwallError("config.invalid", { message: `gateway route ${route}: tls.${why}`, cause });
}
