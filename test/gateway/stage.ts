import { mkdtemp, rm } from "node:fs/promises";
import { createServer, type IncomingMessage, type RequestListener, type Server } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createLocalJWKSet } from "jose";
import { Gateway } from "../../apps/gateway/gateway.ts";
import { type Listening, type ListenTimes, listenPlain } from "../../apps/gateway/listen.ts";
import { createBank } from "../../examples/bank/server.ts";
import { type BankStage, bankStage, type Person } from "../../examples/bank/stage.fixture.ts";
import { memoryCounters } from "../../src/adapters/memory/index.ts";
import type { Bucket, CounterStore } from "../../src/core/index.ts";
import { parseConfig } from "../../src/core/index.ts";
import {
  type AssertionKeys,
  assertionSigner,
  assertionVerifier,
  GatewayConfig,
  openAssertionKeys,
} from "../../src/network/index.ts";
import { createPerimeter, PerimeterConfig } from "../../src/perimeter/index.ts";
import { createGuard } from "../../src/pipeline.ts";

const WIDE = { limit: 1_000_000, periodSeconds: 1, burst: 1_000_000 };

/** An upstream that knows nothing of Ringwall, and what it was sent. */
export interface PlainUpstream {
  readonly origin: string;
  readonly seen: IncomingMessage[];
  readonly server: Server;
  answer: RequestListener;
}

export async function plainUpstream(): Promise<PlainUpstream> {
  const server = createServer((request, response) => {
    upstream.seen.push(request);
    upstream.answer(request, response);
  });
  const { promise, resolve } = Promise.withResolvers<void>();
  server.listen(0, "127.0.0.1", resolve);
  await promise;
  const place = server.address();
  const port = typeof place === "object" && place !== null ? place.port : 0;
  const upstream: PlainUpstream = {
    origin: `http://127.0.0.1:${port}`,
    seen: [],
    server,
    answer: (request, response) => response.end(JSON.stringify(request.rawHeaders)),
  };
  return upstream;
}

/** What the bank behind the gateway was asked to count: nothing, when all is well. */
function countingPerimeter(stage: BankStage): { asked: (readonly Bucket[])[]; guard: ReturnType<typeof createGuard> } {
  const asked: (readonly Bucket[])[] = [];
  const counters: CounterStore = {
    take(buckets) {
      asked.push(buckets);
      return { allowed: true, remaining: 1, tightest: 0, retryAfterMs: 0, refused: -1 };
    },
  };
  const { clock, ringwall } = stage;
  const perimeter = createPerimeter(parseConfig(PerimeterConfig, {}), { mode: "development", counters, clock });
  const log = { info() {}, warn() {}, error() {} };
  const authenticate = (): never => {
    throw new TypeError("nobody is looked up behind the gateway");
  };
  return { asked, guard: createGuard({ perimeter, authenticate, recorder: ringwall.recorder, log, clock }) };
}

export type GatewayStage = Awaited<ReturnType<typeof gatewayStage>>;

/**
 * The gateway over real sockets before the example bank (over a unix socket, with the library) and before an upstream
 * that knows nothing of Ringwall, with the bank's real people, database and audit.
 */
export async function gatewayStage(
  options: { readonly times?: ListenTimes; readonly timeoutMs?: number; readonly routes?: readonly object[] } = {},
) {
  const stage = await bankStage();
  const folder = await mkdtemp(join(tmpdir(), "rw-gateway-"));
  const upstream = await plainUpstream();
  const { clock, ringwall } = stage;
  const keys: AssertionKeys = await openAssertionKeys({ secrets: ringwall.secrets, clock, keySeconds: 2_592_000 });
  const socket = join(folder, "bank.sock");
  const counting = countingPerimeter(stage);
  const verify = assertionVerifier({
    audience: "bank",
    keys: async (header, token) => await createLocalJWKSet(keys.keySet())(header, token),
    clock,
  });
  const bank = createBank(
    { ...stage.bank, ringwall: { ...stage.bank.ringwall, guard: counting.guard } },
    { assertion: verify },
  );
  await bank.listen({ path: socket });
  const plain = { upstream: upstream.origin, mode: "plain", timeoutMs: options.timeoutMs ?? 2_000 };
  const config = parseConfig(GatewayConfig, {
    signInHost: "sign-in.localhost",
    routes: [
      { name: "bank", host: "localhost", upstream: `unix:${socket}`, mode: "ringwall", access: "public" },
      { name: "a", host: "a.localhost", ...plain, access: "signed-in" },
      { name: "a-admin", host: "a.localhost", path: "/admin", ...plain, access: { role: "owner" } },
      { name: "b", host: "b.localhost", ...plain, access: "signed-in" },
      { name: "open", host: "open.localhost", ...plain, access: "public", connectionsMax: 2 },
      { name: "dead", host: "dead.localhost", ...plain, upstream: "http://127.0.0.1:9", access: "public" },
      ...(options.routes ?? []),
    ],
  });
  const perimeter = createPerimeter(
    parseConfig(PerimeterConfig, { rates: { address: WIDE, account: WIDE, tenant: WIDE, routes: {} } }),
    { mode: "development", counters: memoryCounters({ clock }), clock },
  );
  const { identity, recorder } = ringwall;
  const sign = assertionSigner({ keys, clock, lifeSeconds: 30 });
  const log = { info() {}, warn() {}, error() {} };
  const counters = memoryCounters({ clock });
  const gateway = new Gateway({
    config,
    perimeter,
    identity,
    recorder,
    keys: ringwall.keys,
    counters,
    assertionKeys: keys,
    sign,
    clock,
    log,
  });
  const settled = async (): Promise<void> => {
    if (!("flush" in recorder) || typeof recorder.flush !== "function") throw new TypeError("the recorder flushes");
    await recorder.flush();
  };
  const listening: Listening = await listenPlain(gateway, "127.0.0.1", 0, options.times);
  return {
    stage,
    upstream,
    gateway,
    keys,
    sign,
    socket,
    port: listening.port,
    /** A bank's audit, with what was noted a moment ago. */
    async audit(owner: Person, action: string): Promise<readonly string[]> {
      await settled();
      return (await stage.audit(owner, action)).map((record) => JSON.stringify(record));
    },
    /** Moves the clock. What waits to be noted must not look like what could not be. */
    async advance(ms: number): Promise<void> {
      await settled();
      stage.advance(ms);
    },
    /** What the bank counted itself. */
    countedBehind: counting.asked,
    async close(): Promise<void> {
      gateway.drain();
      await listening.close();
      await gateway.close();
      await bank.close();
      upstream.server.closeAllConnections();
      upstream.server.close();
      await stage.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}
