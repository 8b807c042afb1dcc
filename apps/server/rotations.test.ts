import { RingwallError, silentLogger } from "ringwall/core";
import type { Rotator, SecretSummary } from "ringwall/data/secrets";
import { expect, test } from "vitest";
import { finishRotations } from "./rotations.ts";

const ROTATOR: Rotator = { kind: "test", apply: async () => {}, test: async () => true };

function summary(name: string): SecretSummary {
  return { name, version: 1, rotationPending: true, createdMs: 0, changedMs: 0, expiresMs: null };
}

test("a place that does not answer keeps no other rotation from being finished", async () => {
  const secrets = {
    list: async ({ after }: { after?: string }) => (after === undefined ? [summary("dead"), summary("well")] : []),
    rotate: async (name: string) => {
      if (name === "dead") throw new RingwallError("secrets.rotation_failed");
      return 2;
    },
  };
  const rotators = new Map(["dead", "well"].map((name) => [name, ROTATOR]));
  expect(await finishRotations(secrets, rotators, silentLogger)).toEqual(["well"]);
});

test("a store that does not answer finishes nothing and ends nothing", async () => {
  const secrets = {
    list: () => Promise.reject(new RingwallError("database.unavailable")),
    rotate: async () => 1,
  };
  expect(await finishRotations(secrets, new Map(), silentLogger)).toEqual([]);
});
