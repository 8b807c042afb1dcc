import { setTimeout as delay } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { attacks, findTarget, openStage, playAll, type Row, type Stage } from "../../apps/cli/commands/attack/index.ts";
import { systemClock } from "../../src/core/index.ts";
import { type RunningSystem, startSystem } from "../running-system.ts";

// The same attacks as `ringwall attack`, on a system that is started for them, with the limits it has by default.

let system: RunningSystem | undefined;
let stage: Stage | undefined;
let rows: ReadonlyMap<string, Promise<Row>> = new Map();

beforeAll(async () => {
  system = await startSystem();
  const uid = process.geteuid?.() ?? -1;
  const target = await findTarget(system.dataFolder, uid);
  stage = await openStage({ ...target, clock: systemClock, delay: async (ms) => await delay(ms) });
  rows = playAll(attacks, stage, new AbortController().signal);
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

test("the first link for the platform's administrator is worth nothing once a second one was made", async () => {
  // After the attacks, because a link that was used gives the platform an owner.
  await Promise.all(rows.values());
  const make = async (): Promise<string> => {
    const answer = await stage?.must({ method: "POST", path: "/v1/bootstrap/links", server: "socket" });
    return /#(rwk_[\w-]{43})/.exec(answer?.text ?? "")?.[1] ?? "";
  };
  const use = async (token: string): Promise<string | undefined> => {
    const body = { token, email: "first@example.com", name: "First", password: "seven quiet herons over the ford" };
    const answer = await stage?.send({ method: "POST", path: "/v1/bootstrap", body });
    return answer && `${answer.status} ${answer.code}`;
  };
  const [old, fresh] = [await make(), await make()];
  expect(await use(old)).toBe("400 identity.link_invalid");
  expect(await use(fresh)).toBe("200 -");
  expect(await use(fresh)).toBe("400 identity.link_invalid");
}, 240_000);
