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
import { startCluster } from "./cluster.ts";
import { canMeasureCpu } from "./cpu.ts";
import { lean } from "./lean/variant.ts";
import { loadClient } from "./load.ts";
import { measure, ROUTES, type Round, type Route, verify, warmUp } from "./measure.ts";
import { plain } from "./plain-variant.ts";
import { ringwall } from "./ringwall/variant.ts";
import type { RunningVariant, Variant } from "./variant.ts";

/** In the order of the first round; each further round starts with the next one. */
const VARIANTS: readonly Variant[] = [ringwall, plain, lean, assembled, assembledCached];

const FIGURES = [
  ["req/s", (round: Round) => round.requestsPerSecond],
  ["p50 ms", (round: Round) => round.p50Ms],
  ["p99 ms", (round: Round) => round.p99Ms],
  ["node us/req", (round: Round) => round.nodeMicroseconds],
  ["postgres us/req", (round: Round) => round.postgresMicroseconds],
] as const;

type Measured = Map<Variant, Record<Route, Round[]>>;

function figures(measured: Measured, note: string): BenchResult[] {
  const ours = [...measured.keys()].find((variant) => variant.role === "ours");
  const peers = [...measured.keys()].filter((variant) => variant.role === "peer");
  return ROUTES.flatMap((route) =>
    peers.flatMap((peer) =>
      FIGURES.flatMap(([unit, read]) => {
        const value = (variant: Variant): number => median((measured.get(variant)?.[route] ?? []).map(read));
        if (Number.isNaN(value(peer))) return [];
        return [
          compare(`tax.${route}`, unit, ours === undefined ? undefined : value(ours), peer.name, value(peer), note),
        ];
      }),
    ),
  );
}

async function run({ seconds, rounds, signal, progress }: BenchOptions): Promise<readonly BenchResult[]> {
  const cluster = await startCluster();
  const running = new Map<Variant, RunningVariant>();
  try {
    for (const variant of VARIANTS) {
      signal.throwIfAborted();
      progress(`starting ${variant.name}`);
      const started = await variant.start(cluster);
      running.set(variant, started);
      await verify(variant, started);
      await warmUp(started);
    }
    const measured: Measured = new Map(VARIANTS.map((variant) => [variant, { read: [], transfer: [] }]));
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
    return figures(measured, `${loadClient}, ${rounds} rounds of ${seconds} s, median`);
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

/** What protection costs: the bank's account read and transfer against (a) unprotected and (b) assembled peers. */
export const taxArea: BenchArea = {
  summary: "what protection costs: an account read and a transfer, against unprotected and assembled peers",
  run,
};
