/** A proxy of Node's, or the gateway itself, in a process of its own. */
import { Agent, createServer } from "node:http";
import path from "node:path";
import proxyPlugin from "@fastify/http-proxy";
import Fastify from "fastify";
import { createProxyServer } from "http-proxy-3";
import { z } from "zod";
import { Gateway } from "../../apps/gateway/gateway.ts";
import { listenPlain } from "../../apps/gateway/listen.ts";
import { openMasterKeyFile } from "../../src/adapters/files/index.ts";
import { memoryCounters } from "../../src/adapters/memory/index.ts";
import { parseConfig, systemClock } from "../../src/core/index.ts";
import { assertionSigner, GatewayConfig, openAssertionKeys } from "../../src/network/index.ts";
import { createLogger } from "../../src/perimeter/index.ts";
import { createRingwall } from "../../src/ringwall.ts";
import { linesOfATurn, lineWriter } from "../../src/supervised.ts";
import { serve } from "../tax/child.ts";
import { targetOf } from "../tax/ringwall/database.ts";
import { config, Parts, signerOf } from "../tax/ringwall/parts.ts";

const CONNECTIONS = 64;

const Told = z.discriminatedUnion("kind", [
  z.object({ kind: z.literal("http-proxy-3"), upstream: z.string() }),
  z.object({ kind: z.literal("@fastify/http-proxy"), upstream: z.string() }),
  z.object({ kind: z.literal("ringwall"), upstream: z.string(), socket: z.string(), parts: Parts }),
]);
export type Told = z.output<typeof Told>;

async function startHttpProxy(upstream: string): Promise<string> {
  const agent = new Agent({ keepAlive: true, maxSockets: CONNECTIONS });
  const proxy = createProxyServer({ target: upstream, agent });
  const server = createServer((request, response) => proxy.web(request, response));
  const { promise, resolve } = Promise.withResolvers<void>();
  server.listen(0, "127.0.0.1", resolve);
  await promise;
  const place = server.address();
  return `http://127.0.0.1:${typeof place === "object" && place !== null ? place.port : 0}`;
}

async function startFastifyProxy(upstream: string): Promise<string> {
  const app = Fastify({ logger: false });
  await app.register(proxyPlugin, { upstream, undici: { connections: CONNECTIONS, pipelining: 1 } });
  return await app.listen({ port: 0, host: "127.0.0.1" });
}

/** Composed as `apps/gateway/main.ts` does, with a log that is written. */
async function startGateway({ parts, socket, upstream }: Extract<Told, { kind: "ringwall" }>): Promise<string> {
  const clock = systemClock;
  const log = createLogger({ write: lineWriter(process.stdout.fd), level: "info", clock, join: linesOfATurn(process) });
  const counters = memoryCounters({ clock });
  const ringwall = await createRingwall(config, {
    target: targetOf(parts.app),
    signer: signerOf(parts),
    openMaster: (mayCreate) =>
      openMasterKeyFile({
        file: path.join(parts.folder, "master.key"),
        mode: config.mode,
        allowInProduction: true,
        mayCreate,
      }),
    log,
    clock,
    counters,
  });
  const { identity, keys, perimeter, recorder, secrets } = ringwall;
  const assertionKeys = await openAssertionKeys({ secrets, clock, keySeconds: 2_592_000 });
  const sign = assertionSigner({ keys: assertionKeys, clock, lifeSeconds: 30 });
  const route = { host: "127.0.0.1", mode: "plain", connectionsMax: CONNECTIONS };
  const settings = parseConfig(GatewayConfig, {
    routes: [
      { ...route, name: "plain", path: "/plain", upstream, access: "public" },
      { ...route, name: "all", path: "/all", upstream: `unix:${socket}`, access: { role: "editor" } },
    ],
  });
  const gateway = new Gateway({
    config: settings,
    perimeter,
    identity,
    recorder,
    keys,
    counters,
    assertionKeys,
    sign,
    clock,
    log,
  });
  setInterval(() => void gateway.sweep(), 500);
  const { port } = await listenPlain(gateway, "127.0.0.1", 0);
  return `http://127.0.0.1:${port}`;
}

serve(Told, async (told) => {
  switch (told.kind) {
    case "http-proxy-3":
      return await startHttpProxy(told.upstream);
    case "@fastify/http-proxy":
      return await startFastifyProxy(told.upstream);
    case "ringwall":
      return await startGateway(told);
  }
});
