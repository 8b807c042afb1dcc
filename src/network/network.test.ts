import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { parseConfig } from "../core/index.ts";
import { checkListener, isLoopback, NetworkConfig, type TierFacts, tier } from "./index.ts";

describe("a listener", () => {
  const facts = { mode: "production", host: "0.0.0.0", tls: false, declaredProxy: false } as const;

  test.each(["0.0.0.0", "::", "10.0.0.5", "bank.example.com", "::ffff:10.0.0.5", "127.0.0.1.evil.example", ""])(
    "plain on %s is refused unless a proxy is declared or it speaks TLS itself",
    (host) => {
      expect(() => checkListener({ ...facts, host })).toThrow("network.host");
      expect(() => checkListener({ ...facts, host, declaredProxy: true })).not.toThrow();
      expect(() => checkListener({ ...facts, host, tls: true })).not.toThrow();
    },
  );

  test("of development stays on loopback, whatever else is set", () => {
    for (const tls of [false, true]) {
      for (const declaredProxy of [false, true]) {
        expect(() => checkListener({ mode: "development", host: "0.0.0.0", tls, declaredProxy })).toThrow(
          "development",
        );
        expect(() => checkListener({ mode: "development", host: "127.0.0.1", tls, declaredProxy })).not.toThrow();
      }
    }
  });

  test("is on loopback and plain by default", () => {
    expect(parseConfig(NetworkConfig, {})).toEqual({ host: "127.0.0.1", declaredProxy: false });
    expect(() => parseConfig(NetworkConfig, { tls: { certificateFile: "/c" } })).toThrow("tls.keyFile");
  });
});

test("loopback is what stays on this machine, and nothing that only looks like it", () => {
  for (const host of ["127.0.0.1", "127.8.9.10", "::1", "[::1]", "localhost", "LOCALHOST", "::ffff:127.0.0.1"]) {
    expect(isLoopback(host)).toBe(true);
  }
  for (const host of [
    "0.0.0.0",
    "::",
    "localhost.evil.example",
    "127.1",
    "0x7f000001",
    "2130706433",
    "10.0.0.1",
    "",
    "[",
    "::1%",
  ]) {
    expect(isLoopback(host)).toBe(false);
  }
});

describe("the access tier", () => {
  const fact = fc.constantFrom(true, false, undefined);
  const anyFacts: fc.Arbitrary<TierFacts> = fc.record({
    authenticated: fc.boolean(),
    managedDevice: fact,
    location: fact,
    posture: fact,
  });

  test("counts what is fulfilled without a gap, and names everything else", () => {
    fc.assert(
      fc.property(anyFacts, (facts) => {
        const steps = [
          facts.authenticated,
          facts.managedDevice === true,
          facts.location === true,
          facts.posture === true,
        ];
        const gap = steps.indexOf(false);
        const decision = tier(facts);
        expect(decision.tier).toBe(gap === -1 ? 4 : gap);
        expect(decision.missing).toHaveLength(steps.filter((step) => !step).length);
      }),
    );
  });

  test("unknown is not fulfilled, and nobody has no tier", () => {
    expect(tier({ authenticated: true })).toEqual({
      tier: 1,
      missing: ["device_not_managed", "location_not_accepted", "posture_not_fulfilled"],
    });
    expect(tier({ authenticated: false, managedDevice: true, location: true, posture: true })).toEqual({
      tier: 0,
      missing: ["not_authenticated"],
    });
    expect(tier({ authenticated: true, managedDevice: false, location: true, posture: true }).tier).toBe(1);
  });
});
