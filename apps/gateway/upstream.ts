import { readFileSync } from "node:fs";
import { request as plainRequest, type RequestOptions } from "node:http";
import { request as tlsRequest } from "node:https";
import { RingwallError } from "ringwall/core";
import { type GatewayRoute, upstreamPlace } from "ringwall/network";
import { Pool } from "undici";

const CONNECT_MS = 5_000;
/** Shorter than most servers keep an idle connection, so that we close first and nothing is sent into a closed one. */
const KEEP_ALIVE_MS = 4_000;
/** Waiting for a connection costs memory here and patience there; beyond this a quick refusal is kinder. */
const WAITING_PER_CONNECTION = 4;
const ANSWER_HEADER_BYTES_MAX = 32_768;

/** Where one route's requests go. */
export interface Upstream {
  readonly pool: Pool;
  /** `Host`, when the visitor's is not handed on. */
  readonly host: string;
  /** Requests under way or waiting, upgraded connections included. */
  busy: number;
  readonly busyMax: number;
  /** For an upgrade, which takes a connection of its own. */
  readonly dial: (options: RequestOptions) => ReturnType<typeof plainRequest>;
}

/** @throws RingwallError `config.invalid` when a certificate cannot be read */
export function openUpstream(route: GatewayRoute): Upstream {
  const place = upstreamPlace(route.upstream);
  const tls = tlsOptions(route);
  const connect = { timeout: CONNECT_MS, ...tls };
  const pool = new Pool(place.kind === "unix" ? "http://localhost" : place.origin, {
    connections: route.connectionsMax,
    pipelining: 1,
    headersTimeout: route.timeoutMs,
    // Silence within an answer is watched by the gateway itself: an event stream may be silent for longer.
    bodyTimeout: 0,
    keepAliveTimeout: KEEP_ALIVE_MS,
    maxHeaderSize: ANSWER_HEADER_BYTES_MAX,
    allowH2: false,
    connect,
    ...(place.kind === "unix" ? { socketPath: place.path } : {}),
  });
  const target =
    place.kind === "unix"
      ? { socketPath: place.path }
      : { host: new URL(place.origin).hostname.replaceAll(/[[\]]/g, ""), port: new URL(place.origin).port };
  const request = place.kind === "tcp" && place.tls ? tlsRequest : plainRequest;
  return {
    pool,
    host: place.kind === "unix" ? "localhost" : place.host,
    busy: 0,
    busyMax: route.connectionsMax * (1 + WAITING_PER_CONNECTION),
    dial: (options) => request({ ...options, ...target, ...tls, agent: false, timeout: route.timeoutMs }),
  };
}

/** Takes a place, which the caller gives back by counting `busy` down. @throws RingwallError `upstream.busy` */
export function takePlace(upstream: Upstream): void {
  if (upstream.busy >= upstream.busyMax) throw new RingwallError("upstream.busy", { retryAfterSeconds: 1 });
  upstream.busy += 1;
}

function tlsOptions({ name, tls }: GatewayRoute): { ca?: string; cert?: string; key?: string } {
  const read = (field: string, file: string): string => {
    try {
      return readFileSync(file, "utf8");
    } catch (cause) {
      throw new RingwallError("config.invalid", {
        message: `gateway route ${name}: tls.${field} cannot be read`,
        cause,
      });
    }
  };
  return {
    ...(tls?.caFile === undefined ? {} : { ca: read("caFile", tls.caFile) }),
    ...(tls?.certificateFile === undefined ? {} : { cert: read("certificateFile", tls.certificateFile) }),
    ...(tls?.keyFile === undefined ? {} : { key: read("keyFile", tls.keyFile) }),
  };
}
