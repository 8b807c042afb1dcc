/**
 * The keys area: what a sealed field costs beside the same bytes under a bare cipher and under other libraries.
 *
 * Everything runs in this process and on one thread, with the tenant's key warm: what is measured is a seal and an open
 * of 64 bytes, not a network. Rounds are interleaved, each contestant gets an equal share of each round, and a figure is
 * the median over rounds. What a contestant seals is opened and compared in every step; one wrong byte fails the run.
 *
 * Of ours, `field` seals and opens under a row key that is kept, as on a page that shows a row again; `row` draws, wraps
 * and commits to a fresh row key each time, and opens while that key is still kept. The peers protect less or other things than we do: raw AES-256-GCM binds nothing and keeps no key, `@47ng/cloak` has
 * one key and no associated data, the AWS Encryption SDK makes a data key for each message (and, with its default suite,
 * signs it).
 *
 * @module
 */
import type { BenchArea, BenchOptions, BenchResult } from "../result.ts";
import { compare, median } from "../result.ts";
import { type Contestant, OURS, PEERS, type Work } from "./contestants.ts";

const WARM_UP_STEPS = 2_000;
// Asked of the clock once in so many steps, so that reading it is no part of the figure.
const STEPS_AT_ONCE = 50;
const KINDS = ["field", "row"] as const;
type Kind = (typeof KINDS)[number];

/** Operations a second: one operation is a seal and an open. */
async function rate(work: Work, ms: number): Promise<number> {
  const started = performance.now();
  let steps = 0;
  let elapsed = 0;
  while (elapsed < ms) {
    for (let step = 0; step < STEPS_AT_ONCE; step += 1) {
      const opened = work();
      if (opened instanceof Promise) await opened;
    }
    steps += STEPS_AT_ONCE;
    elapsed = performance.now() - started;
  }
  return (steps / elapsed) * 1_000;
}

async function run({ seconds, rounds, signal, progress }: BenchOptions): Promise<readonly BenchResult[]> {
  const started = await Promise.all(
    [OURS, ...PEERS].map(async (contestant) => ({ contestant, works: await contestant.start() })),
  );
  const measured = new Map<string, number[]>();
  const keyOf = (contestant: Contestant, kind: Kind): string => `${contestant.name}/${kind}`;
  for (const { contestant, works } of started) {
    progress(`warming ${contestant.name}`);
    const steps = contestant.isSlow ? STEPS_AT_ONCE : WARM_UP_STEPS;
    for (const kind of KINDS) for (let step = 0; step < steps; step += 1) await works[kind]();
  }
  const share = (seconds * 1_000) / (started.length * KINDS.length);
  for (let round = 0; round < rounds; round += 1) {
    for (let place = 0; place < started.length; place += 1) {
      const entry = started[(place + round) % started.length];
      if (entry === undefined) continue;
      for (const kind of KINDS) {
        signal.throwIfAborted();
        const perSecond = await rate(entry.works[kind], share);
        const key = keyOf(entry.contestant, kind);
        measured.set(key, [...(measured.get(key) ?? []), perSecond]);
        progress(
          `round ${round + 1}/${rounds}  ${kind.padEnd(6)} ${entry.contestant.name.padEnd(24)} ${perSecond.toFixed(0)} /s`,
        );
      }
    }
  }
  const note = `64 bytes, seal and open; ${rounds} rounds of ${seconds} s, median`;
  const figure = (contestant: Contestant, kind: Kind): number => median(measured.get(keyOf(contestant, kind)) ?? []);
  return KINDS.flatMap((kind) =>
    PEERS.map((peer) => compare(`keys.${kind}`, "op/s", figure(OURS, kind), peer.name, figure(peer, kind), note)),
  );
}

/** What sealing costs: a field under a known row key, and a row with a fresh one. */
export const keysArea: BenchArea = {
  summary: "what sealing costs: a 64-byte field, and a row with a fresh key, against bare and library ciphers",
  run,
};
