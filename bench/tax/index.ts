/**
 * The tax area: what protection costs on the data path, against the same two routes built in other ways.
 *
 * Every variant is a server process of its own on one PostgreSQL, driven in turn by the same client with the same spread
 * of sessions and accounts; rounds are interleaved and each figure is the median over them. Before anything is measured
 * every variant must answer rightly, and a guarded one must refuse a stranger and a foreign account: what is switched
 * off is not measured. A request that fails in a round fails the run.
 *
 * CPU per request is the main figure on a shared machine: throughput moves with whatever else runs there. It is read
 * from /proc, for the server's process and for PostgreSQL with its children, and left out where there is no /proc.
 *
 * @module
 */
import type { BenchArea, BenchOptions, BenchResult } from "../result.ts";
import { compare, median } from "../result.ts";
import { assembled, assembledCached } from "./assembled-variant.ts";
import { type Cluster, startCluster } from "./cluster.ts";
import { canMeasureCpu } from "./cpu.ts";
import { lean } from "./lean/variant.ts";
import { loadClient } from "./load.ts";
import { measure, ROUTES, type Round, type Route, verify, warmUp } from "./measure.ts";
import { plain } from "./plain-variant.ts";
import { ringwall } from "./ringwall/variant.ts";
import type { RunningVariant, Variant } from "./variant.ts";

/** In the order of the first round; each further round starts with the next one. */
const PEERS: readonly Variant[] = [plain, lean, assembled, assembledCached];
const VARIANTS: readonly Variant[] = [ringwall, ...PEERS];

const FIGURES = [
  ["req/s", (round: Round) => round.requestsPerSecond],
  ["p50 ms", (round: Round) => round.p50Ms],
  ["p99 ms", (round: Round) => round.p99Ms],
  ["node us/req", (round: Round) => round.nodeMicroseconds],
  ["postgres us/req", (round: Round) => round.postgresMicroseconds],
] as const;

/** What a ratio of throughput should be, where there is an aim. */
const AIMS: Readonly<Record<Route, ReadonlyMap<Variant, number>>> = {
  read: new Map([
    [plain, 1],
    [lean, 0.6],
    [assembled, 10],
  ]),
  transfer: new Map([
    [plain, 0.75],
    [lean, 0.6],
    [assembled, 4],
  ]),
};

/** What is on in our own variant, and what is not in the measured processes. */
const OURS_NOTE = "every step on; audit rows written, their chaining (another process) not running";

type Measured = ReadonlyMap<Variant, Record<Route, Round[]>>;

function figures(measured: Measured, absent: ReadonlyMap<Variant, string>, note: string): BenchResult[] {
  const value = (variant: Variant, route: Route, read: (round: Round) => number): number =>
    median((measured.get(variant)?.[route] ?? []).map(read));
  return ROUTES.flatMap((route) =>
    PEERS.flatMap((peer) =>
      FIGURES.flatMap(([unit, read]) => {
        const ours = value(ringwall, route, read);
        if (Number.isNaN(ours)) return [];
        const reason = absent.get(peer);
        if (reason !== undefined)
          return [compare(`tax.${route}`, unit, ours, peer.name, undefined, `absent: ${reason}`)];
        const aim = unit === "req/s" ? AIMS[route].get(peer) : undefined;
        const notes = [note, OURS_NOTE, ...(aim === undefined ? [] : [`aim ${aim}`])];
        return [compare(`tax.${route}`, unit, ours, peer.name, value(peer, route, read), notes.join("; "))];
      }),
    ),
  );
}

/** Starts, tries and warms a variant. A peer that does not get that far is absent; without our own there is no run. */
async function startVariant(
  variant: Variant,
  cluster: Cluster,
  running: Map<Variant, RunningVariant>,
): Promise<string | undefined> {
  try {
    const started = await variant.start(cluster);
    running.set(variant, started);
    await verify(variant, started);
    await warmUp(started);
    return undefined;
  } catch (error) {
    if (variant.role === "ours") throw error;
    await running.get(variant)?.stop();
    running.delete(variant);
    return error instanceof Error ? error.message : String(error);
  }
}

async function run({ seconds, rounds, signal, progress }: BenchOptions): Promise<readonly BenchResult[]> {
  const cluster = await startCluster();
  const running = new Map<Variant, RunningVariant>();
  const absent = new Map<Variant, string>();
  try {
    for (const variant of VARIANTS) {
      signal.throwIfAborted();
      progress(`starting ${variant.name}`);
      const reason = await startVariant(variant, cluster, running);
      if (reason === undefined) continue;
      progress(`${variant.name} is absent: ${reason}`);
      absent.set(variant, reason);
    }
    const measured = new Map<Variant, Record<Route, Round[]>>(
      VARIANTS.map((variant) => [variant, { read: [], transfer: [] }]),
    );
    for (let round = 0; round < rounds; round += 1) {
      const order = VARIANTS.map((_, place) => VARIANTS[(place + round) % VARIANTS.length]);
      for (const route of ROUTES) {
        for (const variant of order) {
          const target = variant === undefined ? undefined : running.get(variant);
          if (variant === undefined || target === undefined) continue;
          signal.throwIfAborted();
          const figure = await measure(route, target, cluster.pid, seconds);
          measured.get(variant)?.[route].push(figure);
          progress(`round ${round + 1}/${rounds}  ${route.padEnd(9)} ${variant.name.padEnd(17)} ${describe(figure)}`);
        }
      }
    }
    return figures(measured, absent, `${loadClient}, ${rounds} rounds of ${seconds} s, median`);
  } finally {
    for (const started of running.values()) await started.stop();
    await cluster.stop();
  }
}

function describe(round: Round): string {
  const cpu = canMeasureCpu
    ? `  cpu ${round.nodeMicroseconds.toFixed(0)}+${round.postgresMicroseconds.toFixed(0)} us`
    : "";
  return `${round.requestsPerSecond.toFixed(0)} req/s  p50 ${round.p50Ms.toFixed(2)} ms  p99 ${round.p99Ms.toFixed(2)} ms${cpu}`;
}

/**
 * What protection costs: the bank's account read and transfer against (a) unprotected and (b) assembled peers, and
 * against (c) our own plumbing without protection.
 */
export const taxArea: BenchArea = {
  summary: "what protection costs: an account read and a transfer, against unprotected, assembled and bare peers",
  run,
};
