import { setTimeout as delay } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { attacks, findTarget, openStage, playAll, type Row, type Stage } from "../../apps/cli/commands/attack/index.ts";
import { systemClock } from "../../src/core/index.ts";
import { type RunningSystem, startSystem } from "./running-system.ts";

// The same attacks as `ringwall attack`, on a system that is started for them, with the limits it has by default.

let system: RunningSystem | undefined;
let stage: Stage | undefined;
let rows: ReadonlyMap<string, Promise<Row>> = new Map();

beforeAll(async () => {
  system = await startSystem();
  const uid = process.geteuid?.() ?? -1;
  const target = await findTarget(system.dataFolder, uid);
  stage = await openStage({ ...target, clock: systemClock, delay: async (ms) => await delay(ms) });
  rows = playAll(attacks, stage);
}, 120_000);

afterAll(async () => {
  await stage?.close();
  await system?.stop();
});

test.each(attacks)(
  "$id: $title",
  async ({ id }) => {
    expect(await rows.get(id)).toMatchObject({ verdict: "stopped", note: "" });
  },
  // The first waits for its turn and for a one-time code; those that look at what the others left wait for all.
  240_000,
);
