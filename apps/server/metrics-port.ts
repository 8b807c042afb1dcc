import { createServer, type RequestListener, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { RingwallError } from "ringwall/core";
import { isLoopback } from "ringwall/network";
import type { Metrics } from "./metrics.ts";

/** Where metrics are collected without a credential. */
export interface MetricsPort {
  readonly port: number;
  close(): Promise<void>;
}

const ADDRESS = "127.0.0.1";
const REQUEST_MS = 5_000;
const HEADER_BYTES_MAX = 8_192;
/** One collector, and a person who looks. */
const CONNECTIONS_MAX = 8;

/**
 * Serves `/metrics` at a port of this machine alone. It asks for no credential, so it answers to loopback names only: a
 * page in somebody's browser that was led here under another name learns nothing (DNS rebinding).
 *
 * It stands beside the pipeline on purpose: collecting must work while the perimeter's counters or the database do not.
 * @throws RingwallError `config.invalid` when the port is taken.
 */
export async function openMetricsPort(metrics: Metrics, port: number): Promise<MetricsPort> {
  const server = createServer({ maxHeaderSize: HEADER_BYTES_MAX, requestTimeout: REQUEST_MS }, answerer(metrics));
  server.maxConnections = CONNECTIONS_MAX;
  await listen(server, port);
  return {
    port: portOf(server.address(), port),
    async close() {
      const closed = new Promise<void>((done) => {
        server.close(() => done());
      });
      server.closeAllConnections();
      await closed;
    },
  };
}

function answerer(metrics: Metrics): RequestListener {
  return (request, response) => {
    response.setHeader("x-content-type-options", "nosniff");
    response.setHeader("cache-control", "no-store");
    response.setHeader("connection", "close");
    const [host = ""] = /^(?:\[[^\]]*\]|[^:]*)/.exec(request.headers.host ?? "") ?? [];
    if (!isLoopback(host)) {
      response.writeHead(421).end();
      return;
    }
    if (request.url !== "/metrics" || request.method !== "GET") {
      response.writeHead(404).end();
      return;
    }
    metrics.text().then(
      (text) => response.writeHead(200, { "content-type": metrics.contentType }).end(text),
      () => response.writeHead(500).end(),
    );
  };
}

async function listen(server: Server, port: number): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once("error", (cause) => {
    const message = `monitoring.metrics: port ${port} of ${ADDRESS} cannot be used; choose another`;
    reject(new RingwallError("config.invalid", { message, cause }));
  });
  server.listen({ host: ADDRESS, port }, resolve);
  await promise;
}

function portOf(address: AddressInfo | string | null, asked: number): number {
  return typeof address === "object" && address !== null ? address.port : asked;
}
