import { describe, expect, test } from "vitest";
import { type Bus, type Invalidation, type SessionId, type TenantId, tenantId, type UserId } from "../../core/index.ts";
import type { Principal } from "../access/index.ts";
import { SessionCache } from "./session-cache.ts";

interface Wired {
  readonly bus: Bus;
  readonly send: (message: Invalidation) => void;
  readonly cut: () => void;
  readonly mend: () => void;
}

function wire(): Wired {
  const listeners = new Set<(message: Invalidation) => void>();
  const gaps = new Set<() => void>();
  let up = true;
  const add = <T>(set: Set<T>, item: T): (() => void) => {
    set.add(item);
    return () => set.delete(item);
  };
  return {
    bus: {
      get up() {
        return up;
      },
      subscribe: (listener) => add(listeners, listener),
      onGap: (listener) => add(gaps, listener),
    },
    send: (message) => listeners.forEach((listener) => listener(message)),
    cut() {
      up = false;
      gaps.forEach((listener) => listener());
    },
    mend() {
      up = true;
      gaps.forEach((listener) => listener());
    },
  };
}

const A = tenantId("bank-a");
const B = tenantId("bank-b");

function principal(tenant: TenantId, user: string, session: string): Principal {
  return {
    type: "user",
    tenant,
    user: user as UserId,
    session: session as SessionId,
    role: "viewer",
    aal: 1,
    secondFactorMs: undefined,
  };
}

function filled(entriesMax = 100): { cache: SessionCache } & Wired {
  const wired = wire();
  const cache = new SessionCache(wired.bus, entriesMax);
  const put = (key: string, who: Principal): void =>
    cache.put(key, { principal: who, readMs: 0, goodUntilMs: 60_000, endsMs: 900_000 }, cache.generation);
  put("a1", principal(A, "u1", "s1"));
  put("a2", principal(A, "u1", "s2"));
  put("a3", principal(A, "u2", "s3"));
  put("b1", principal(B, "u1", "s4"));
  return { cache, ...wired };
}

const held = (cache: SessionCache, nowMs = 1): string[] =>
  ["a1", "a2", "a3", "b1"].filter((key) => cache.get(key, nowMs) !== undefined);

describe("the session cache", () => {
  test("forgets exactly what a message names", () => {
    const session = filled();
    session.send({ kind: "session", tenant: A, id: "s2" });
    expect(held(session.cache)).toEqual(["a1", "a3", "b1"]);

    const user = filled();
    user.send({ kind: "user", tenant: A, id: "u1" });
    expect(held(user.cache)).toEqual(["a3", "b1"]);

    const tenant = filled();
    tenant.send({ kind: "tenant", tenant: A, id: A });
    expect(held(tenant.cache)).toEqual(["b1"]);

    const epoch = filled();
    epoch.send({ kind: "epoch", tenant: A, id: "u2" });
    expect(held(epoch.cache)).toEqual(["a1", "a2", "b1"]);
    epoch.send({ kind: "epoch", tenant: B, id: B });
    expect(held(epoch.cache)).toEqual(["a1", "a2"]);
  });

  test("is not consulted while the bus is down, and empty when it comes back", () => {
    const { cache, cut, mend } = filled();
    cut();
    expect(held(cache)).toEqual([]);
    cache.put("a1", { principal: principal(A, "u1", "s1"), readMs: 0, goodUntilMs: 9, endsMs: 9 }, cache.generation);
    mend();
    expect(held(cache)).toEqual([]);
  });

  test("does not keep what was read before a revocation arrived", () => {
    const { cache, send } = filled();
    const before = cache.generation;
    send({ kind: "session", tenant: A, id: "s9" });
    cache.put("late", { principal: principal(A, "u1", "s9"), readMs: 0, goodUntilMs: 60_000, endsMs: 60_000 }, before);
    expect(cache.get("late", 1)).toBeUndefined();
  });

  test("has everything read again after five seconds, at its end, and when the clock goes back", () => {
    const { cache } = filled();
    expect(held(cache, 4_999)).toHaveLength(4);
    expect(held(cache, 5_000)).toEqual([]);
    expect(held(cache, -1)).toEqual([]);
    cache.put(
      "a1",
      { principal: principal(A, "u1", "s1"), readMs: 0, goodUntilMs: 100, endsMs: 100 },
      cache.generation,
    );
    expect(cache.get("a1", 99)).toBeDefined();
    expect(cache.get("a1", 100)).toBeUndefined();
  });

  test("answers a look until the session ends, when a use would have to be written down", () => {
    const { cache } = filled();
    cache.put("a1", { principal: principal(A, "u1", "s1"), readMs: 0, goodUntilMs: 0, endsMs: 100 }, cache.generation);
    expect([cache.get("a1", 1), cache.get("a1", 1, false)]).toEqual([undefined, expect.anything()]);
    expect(cache.get("a1", 100, false)).toBeUndefined();
    expect(cache.get("a2", 5_000, false)).toBeUndefined();
  });

  test("holds no more entries than it may, and its index no more than it holds", () => {
    const { cache } = filled(2);
    expect(held(cache)).toEqual(["a3", "b1"]);
    cache.clear();
    expect(held(cache)).toEqual([]);
  });
});
