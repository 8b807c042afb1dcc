/**
 * The gateway area: what it costs to stand in front of an application, against proxies that only forward.
 *
 * One upstream (nginx with a constant answer, so that it costs next to nothing), one client, every proxy a process of
 * its own on the same machine, rounds interleaved, each figure the median over them. Ours twice: `plain`, a public route
 * (the perimeter's checks, rates and log are on, they cannot be switched off), and `all`, a route with a session in the
 * host's own cookie, a role, rates of account and tenant, the audit and a signed assertion over a unix socket. Before
 * anything is measured each answers rightly, and `all` refuses a stranger.
 *
 * CPU per request is the figure that a shared machine disturbs least. A peer that is not there is reported as absent.
 *
 * @module
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { HOST_COOKIE, SealedCookies } from "../../apps/gateway/sealed-cookies.ts";
import { memoryCounters } from "../../src/adapters/memory/index.ts";
import { silentLogger, systemClock } from "../../src/core/index.ts";
import { freePort } from "../../src/testing/free-port.ts";
import type { BenchArea, BenchOptions, BenchResult } from "../result.ts";
import { compare, median } from "../result.ts";
import { startServer } from "../tax/child.ts";
import { type Cluster, startCluster } from "../tax/cluster.ts";
import { canMeasureCpu, processCpuSeconds } from "../tax/cpu.ts";
import { drive, type LoadRequest, loadClient } from "../tax/load.ts";
import { createRingwallDatabase } from "../tax/ringwall/database.ts";
import { composeBank, type Parts } from "../tax/ringwall/parts.ts";
import { seedBanks } from "../tax/ringwall/seed.ts";
import { type Nginx, nginxMissing, startProxy, startUpstream } from "./nginx.ts";
import type { Told } from "./server.ts";

const SERVER = "../gateway/server.ts";
const WARM_UP_SECONDS = 2;
const MICROSECONDS = 1_000_000;
const PEERS = ["nginx", "@fastify/http-proxy", "http-proxy-3"] as const;
const OURS = ["plain", "all"] as const;
/** Against the better of the two proxies that run on Node, and in requests a second of one core. */
const PLAIN_AIM = 1.3;
const ALL_AIM = 4_000;

type Name = (typeof PEERS)[number] | (typeof OURS)[number];

interface Target {
  readonly url: string;
  readonly pid: number;
  readonly requests: readonly LoadRequest[];
}

interface Round {
  readonly requestsPerSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly cpuMicroseconds: number;
}

const FIGURES = [
  ["req/s", (round: Round) => round.requestsPerSecond],
  ["p50 ms", (round: Round) => round.p50Ms],
  ["p99 ms", (round: Round) => round.p99Ms],
  ["cpu us/req", (round: Round) => round.cpuMicroseconds],
] as const;

/** What is started, in order; everything is stopped in the other one. */
type Stops = (() => Promise<void>)[];

const get = (target: string, headers: Record<string, string> = {}): LoadRequest => ({
  method: "GET",
  path: target,
  headers,
  isKeyed: false,
});

async function startOurs(cluster: Cluster, upstream: string, socket: string, stops: Stops): Promise<[Target, Target]> {
  const folder = mkdtempSync(path.join(tmpdir(), "ringwall-gateway-"));
  stops.push(async () => rmSync(folder, { recursive: true, force: true }));
  const { contextKey, superuser, ...accesses } = await createRingwallDatabase(cluster);
  const parts: Parts = {
    ...accesses,
    contextKey: { kid: contextKey.kid, keyHex: contextKey.key.toString("hex") },
    folder,
  };
  const bank = await composeBank(parts, silentLogger);
  const seeded = await seedBanks(bank, superuser);
  const { keys } = bank.ringwall;
  const sealing = new SealedCookies({ keys, counters: memoryCounters({ clock: systemClock }), clock: systemClock });
  const cookies = await Promise.all(
    seeded.map(async ({ token }) => (await sealing.cookie(HOST_COOKIE, "127.0.0.1", token)).split(";", 1)[0] ?? ""),
  );
  await bank.database.close();
  await bank.ringwall.close();
  const told: Told = { kind: "ringwall", upstream, socket, parts };
  const server = await startServer(SERVER, told);
  stops.push(async () => await server.stop());
  const { pid, url } = server;
  return [
    { url, pid, requests: [get("/plain")] },
    { url, pid, requests: cookies.map((cookie) => get("/all", { cookie })) },
  ];
}

async function startPeers(upstream: string, stops: Stops): Promise<Map<Name, Target>> {
  const found = new Map<Name, Target>();
  const nginx = await startProxy(await freePort(), upstream);
  stops.push(async () => await nginx.stop());
  found.set("nginx", { ...nginx, requests: [get("/")] });
  for (const kind of ["@fastify/http-proxy", "http-proxy-3"] as const) {
    const told: Told = { kind, upstream };
    const server = await startServer(SERVER, told);
    stops.push(async () => await server.stop());
    found.set(kind, { ...server, requests: [get("/")] });
  }
  return found;
}

/** A right answer, and for what is guarded a refusal without a credential. @throws Error when one is not so */
async function verify(name: Name, { requests, url }: Target): Promise<void> {
  const [first] = requests;
  if (first === undefined) throw new Error(`${name} has no requests`);
  const answer = await fetch(url + first.path, { headers: first.headers });
  if (answer.status !== 200 || !(await answer.text()).includes("answer"))
    throw new Error(`${name} answered ${answer.status}`);
  if (name !== "all") return;
  const stranger = await fetch(url + first.path);
  if (stranger.status !== 401) throw new Error(`${name} answered a stranger with ${stranger.status}`);
}

async function measure({ pid, requests, url }: Target, seconds: number): Promise<Round> {
  const cpu = (): number => (canMeasureCpu ? processCpuSeconds(pid) : Number.NaN);
  const before = cpu();
  const load = await drive(url, requests, seconds);
  const used = cpu() - before;
  if (load.failures > 0) throw new Error(`${load.failures} of ${load.requests} requests failed on ${url}`);
  const { p50Ms, p99Ms } = load;
  const requestsPerSecond = load.requests / load.seconds;
  return { requestsPerSecond, p50Ms, p99Ms, cpuMicroseconds: (used / load.requests) * MICROSECONDS };
}

function figures(rounds: ReadonlyMap<Name, readonly Round[]>, note: string): BenchResult[] {
  const value = (name: Name, read: (round: Round) => number): number => median((rounds.get(name) ?? []).map(read));
  const better = Math.max(...PEERS.slice(1).map((peer) => value(peer, (round) => round.requestsPerSecond)));
  return OURS.flatMap((ours) =>
    PEERS.flatMap((peer) =>
      FIGURES.flatMap(([unit, read]) => {
        const [own, theirs] = [value(ours, read), value(peer, read)];
        if (Number.isNaN(own)) return [];
        if (!rounds.has(peer))
          return [compare(`gateway.${ours}`, unit, own, peer, undefined, "absent: it did not start")];
        const isAim = unit === "req/s" && (ours === "all" || theirs === better);
        const aim = isAim
          ? `; aim ${ours === "all" ? `${ALL_AIM} req/s` : `${PLAIN_AIM} of the better Node proxy`}`
          : "";
        return [compare(`gateway.${ours}`, unit, own, peer, theirs, note + aim)];
      }),
    ),
  );
}

async function run({ progress, rounds, seconds, signal }: BenchOptions): Promise<readonly BenchResult[]> {
  const missing = nginxMissing();
  // Without it there is no upstream either, and nothing that could be compared.
  if (missing !== undefined) throw new Error(missing);
  const stops: Stops = [];
  try {
    const folder = mkdtempSync(path.join(tmpdir(), "ringwall-upstream-"));
    stops.push(async () => rmSync(folder, { recursive: true, force: true }));
    const socket = path.join(folder, "upstream.sock");
    const upstream: Nginx = await startUpstream(await freePort(), socket);
    stops.push(async () => await upstream.stop());
    const cluster = await startCluster();
    stops.push(async () => await cluster.stop());
    const [plain, all] = await startOurs(cluster, upstream.url, socket, stops);
    const targets = new Map<Name, Target>([["plain", plain], ["all", all], ...(await startPeers(upstream.url, stops))]);
    for (const [name, target] of targets) {
      await verify(name, target);
      await drive(target.url, target.requests, WARM_UP_SECONDS);
    }
    const names = [...targets.keys()];
    const measured = new Map<Name, Round[]>(names.map((name) => [name, []]));
    for (let round = 0; round < rounds; round += 1) {
      for (const place of names.keys()) {
        const name = names[(place + round) % names.length] ?? "plain";
        const target = targets.get(name);
        if (target === undefined) continue;
        signal.throwIfAborted();
        const figure = await measure(target, seconds);
        measured.get(name)?.push(figure);
        progress(
          `round ${round + 1}/${rounds}  ${name.padEnd(20)} ${figure.requestsPerSecond.toFixed(0)} req/s  p50 ${figure.p50Ms.toFixed(2)} ms  p99 ${figure.p99Ms.toFixed(2)} ms  cpu ${figure.cpuMicroseconds.toFixed(0)} us`,
        );
      }
    }
    return figures(measured, `${loadClient}, ${rounds} rounds of ${seconds} s, median`);
  } finally {
    for (const stop of stops.toReversed()) await stop();
  }
}

/** What a proxy costs, with and without everything that the gateway is for. */
export const gatewayArea: BenchArea = {
  summary: "forwarding, plain and with every step on, against nginx, @fastify/http-proxy and http-proxy-3",
  run,
};
