/**
 * The tenants area: what the signed context costs a transaction, and how long the verifier of isolation takes.
 *
 * Reads of one row and of a page of 20 over the same pool, wire, login, database and rows in three ways: behind the wall
 * with the signed context, with `set_config('app.tenant_id', ...)` and the policy that everybody writes, and without
 * row-level security. Latency is taken one transaction at a time in short turns; rates with workers of a tenant each, so
 * that none of our reads shares a transaction with another, as they would in a server.
 *
 * @module
 */
import { randomBytes } from "../../src/core/index.ts";
import { type BenchArea, type BenchOptions, type BenchResult, compare, median } from "../result.ts";
import { startCluster } from "../tax/cluster.ts";
import {
  type Contestant,
  contestants,
  FROM_MAX,
  NONE,
  OURS,
  PLAIN,
  READS,
  type Read,
  ROWS,
  SHAPES,
  type Shape,
} from "./contestants.ts";
import { openStage, type Stage } from "./stage.ts";
import { measureVerifier } from "./verifier.ts";

const WORKERS = 8;
/** A turn is short, so that what else runs on the machine meets all three alike. */
const TURN_MS = 50;
const WARM_UP_READS = 300;
const ADDED_AIM_MS = 0.2;
const RATE_AIM = 0.85;

function someRow(): number {
  return 1 + (randomBytes(4).readUInt32BE() % FROM_MAX);
}

/** A read that finds another number of rows than there are was not one. */
async function read(one: Contestant, shape: Shape, what: Read, tenant: Stage["tenants"][number]): Promise<void> {
  const found = await one.read(shape, what, tenant, someRow());
  if (found !== ROWS[what]) throw new Error(`${one.name} read ${String(found)} rows for a ${what}`);
}

/** What was measured of one contestant in one shape of one read. */
class Measured {
  readonly latencyMs: number[] = [];
  /** Transactions a second of each round. */
  readonly rates: number[] = [];
}

async function latencies(stage: Stage, one: Contestant, shape: Shape, what: Read): Promise<number[]> {
  const found: number[] = [];
  const [tenant] = stage.tenants;
  if (tenant === undefined) return found;
  const ends = performance.now() + TURN_MS;
  for (let at = performance.now(); at < ends; ) {
    await read(one, shape, what, tenant);
    const after = performance.now();
    found.push(after - at);
    at = after;
  }
  return found;
}

/** How many were done in a turn, and its length: it ends with the last that began in it. */
async function turn(stage: Stage, one: Contestant, shape: Shape, what: Read): Promise<readonly [number, number]> {
  let done = 0;
  const started = performance.now();
  await Promise.all(
    stage.tenants.slice(0, WORKERS).map(async (tenant) => {
      while (performance.now() - started < TURN_MS) {
        await read(one, shape, what, tenant);
        done += 1;
      }
    }),
  );
  return [done, performance.now() - started];
}

async function round(
  stage: Stage,
  all: ReadonlyMap<Contestant, Measured>,
  { shape, what, ms }: { shape: Shape; what: Read; ms: number },
): Promise<void> {
  const names = [...all.keys()];
  const sums = new Map(names.map((one) => [one, { done: 0, ms: 0 }]));
  const ends = performance.now() + ms;
  for (let first = 0; performance.now() < ends; first += 1) {
    for (let place = 0; place < names.length; place += 1) {
      const one = names[(place + first) % names.length];
      const sum = one === undefined ? undefined : sums.get(one);
      if (one === undefined || sum === undefined) continue;
      all.get(one)?.latencyMs.push(...(await latencies(stage, one, shape, what)));
      const [done, took] = await turn(stage, one, shape, what);
      sum.done += done;
      sum.ms += took;
    }
  }
  for (const [one, { done, ms: took }] of sums) all.get(one)?.rates.push((done / took) * 1_000);
}

async function measureContext({ seconds, rounds, signal, progress }: BenchOptions): Promise<readonly BenchResult[]> {
  const cluster = await startCluster();
  try {
    const stage = await openStage(cluster);
    try {
      const results: BenchResult[] = [];
      const ms = (seconds * 1_000) / (SHAPES.length * READS.length);
      const kinds = SHAPES.flatMap((shape) =>
        READS.map((what) => ({
          shape,
          what,
          ms,
          all: new Map(contestants(stage).map((one) => [one, new Measured()])),
        })),
      );
      for (const { all, shape, what } of kinds) {
        for (const one of all.keys()) {
          for (let reads = 0; reads < WARM_UP_READS; reads += 1) {
            await read(one, shape, what, stage.tenants[reads % stage.tenants.length] ?? fail());
          }
          await turn(stage, one, shape, what);
        }
      }
      for (let number = 1; number <= rounds; number += 1) {
        for (const { all, ...kind } of kinds) {
          signal.throwIfAborted();
          progress(`tenants: round ${String(number)}/${String(rounds)}, ${kind.what} ${kind.shape}`);
          await round(stage, all, kind);
        }
      }
      for (const { all, shape, what } of kinds) results.push(...compared(all, shape, what));
      return results;
    } finally {
      await stage.close();
    }
  } finally {
    await cluster.stop();
  }
}

function fail(): never {
  throw new Error("the stage has tenants");
}

function compared(all: ReadonlyMap<Contestant, Measured>, shape: Shape, what: Read): BenchResult[] {
  const of = (wanted: string): { latencyMs: number; rate: number } => {
    const [, found] = [...all].find(([{ name }]) => name === wanted) ?? fail();
    return { latencyMs: median(found.latencyMs), rate: median(found.rates) };
  };
  const ours = of(OURS);
  return [NONE, PLAIN].flatMap((peer) => {
    const theirs = of(peer);
    const added = (ours.latencyMs - theirs.latencyMs).toFixed(3);
    const aim = peer === PLAIN ? `; aim: a ratio of ${String(RATE_AIM)}` : "";
    return [
      compare(
        `tenants.${what}.${shape}.latency`,
        "ms",
        ours.latencyMs,
        peer,
        theirs.latencyMs,
        `adds ${added} ms, median of one at a time; aim: at most ${String(ADDED_AIM_MS)}`,
      ),
      compare(
        `tenants.${what}.${shape}.rate`,
        "tx/s",
        ours.rate,
        peer,
        theirs.rate,
        `${String(WORKERS)} workers of a tenant each, median of rounds${aim}`,
      ),
    ];
  });
}

async function run(options: BenchOptions): Promise<readonly BenchResult[]> {
  const context = await measureContext(options);
  options.signal.throwIfAborted();
  return [...context, ...(await measureVerifier(options))];
}

export const tenantsArea: BenchArea = {
  summary: "reads with the signed context against set_config and no row-level security; the verifier on 1,000 tables",
  run,
};
