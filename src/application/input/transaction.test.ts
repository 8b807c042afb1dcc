import * as fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  type Database,
  RingwallError,
  type SessionId,
  statement,
  type TenantId,
  type UserActor,
  type UserId,
  uuidv7,
} from "../../core/index.ts";
import { testDatabase } from "../../testing/index.ts";
import { actOnce, addVelocity, type IdempotentRequest, idempotentRequest, type VelocityLimit } from "./index.ts";

// As the host application's own login, which is who acts.
let data: Awaited<ReturnType<typeof testDatabase>>;
let bank: TenantId;
let nowMs = Date.parse("2026-03-01T09:00:00Z");
const clock = (): number => nowMs;

beforeAll(async () => {
  data = await testDatabase();
  bank = await data.createTenant("bank-a");
});
afterAll(() => data.close());

function somebody(tenant = bank): UserActor {
  return { type: "user", tenant, user: uuidv7(nowMs) as UserId, session: uuidv7(nowMs) as SessionId };
}

// An act that leaves a trace: one more for this actor.
const ACT = statement(
  "test.act",
  `insert into ringwall.velocity as v (actor, scope, starts_at, sum, count) values ($1, 'test', now(), 0, 1)
   on conflict (tenant_id, actor, scope) do update set count = v.count + 1`,
);

describe("an idempotency key", () => {
  let acts = 0;
  const act = (actor: UserActor, request: IdempotentRequest, work?: () => Promise<void>) =>
    actOnce(data.client, actor, request, clock, async (tx) => {
      await work?.();
      await tx.run(ACT, [actor.user]);
      acts += 1;
      return { status: 201, body: JSON.stringify({ act: acts }) };
    });
  const done = async (actor: UserActor): Promise<unknown> =>
    (await data.owner.query("select count from ringwall.velocity where actor = $1", [actor.user]))[0]?.["count"];

  test("lets an act happen once and repeats its answer", async () => {
    const actor = somebody();
    const request = idempotentRequest("k1", "POST /transfers", '{"amount":5}');
    const first = await act(actor, request);
    expect(first.replayed).toBe(false);
    expect(await act(actor, request)).toEqual({ ...first, replayed: true });
  });

  test("brought thirty times at once is one act with thirty equal answers", async () => {
    const actor = somebody();
    const request = idempotentRequest("k2", "POST /transfers", "{}");
    const results = await Promise.all(Array.from({ length: 30 }, () => act(actor, request)));
    expect(await done(actor)).toBe(1);
    expect(new Set(results.map((one) => one.outcome.body)).size).toBe(1);
    expect(results.filter((one) => !one.replayed)).toHaveLength(1);
  });

  test("is a conflict for another request, and free again when the act failed", async () => {
    const actor = somebody();
    const failing = () => Promise.reject(new TypeError("no funds"));
    await expect(act(actor, idempotentRequest("k3", "a"), failing)).rejects.toThrow("no funds");
    await act(actor, idempotentRequest("k3", "b"));
    await expect(act(actor, idempotentRequest("k3", "a"))).rejects.toMatchObject({ code: "idempotency.conflict" });
    expect(await done(actor)).toBe(1);
  });

  test("answers for its act although the act would be refused by now", async () => {
    const actor = somebody();
    const request = idempotentRequest("k8", "a");
    const first = await act(actor, request);
    const refusing = () => Promise.reject(new RingwallError("transfer.insufficient_funds"));
    expect(await act(actor, request, refusing)).toEqual({ ...first, replayed: true });
    await expect(act(actor, idempotentRequest("k9", "a"), refusing)).rejects.toMatchObject({
      code: "transfer.insufficient_funds",
    });
  });

  test("is no refusal while nobody can tell what became of it", async () => {
    const actor = somebody();
    const request = idempotentRequest("k-outage", "POST /transfers", "{}");
    await act(actor, request);
    // The database goes away between the refused repetition and the look at what the key stands for.
    const outage = new RingwallError("database.unavailable");
    const leaving: Database = {
      forTenant: (tenant, who, work) => data.client.forTenant(tenant, who, work),
      once: () => Promise.reject(outage),
      lookup: () => Promise.reject(outage),
      close: () => Promise.resolve(),
    };
    const refusing = async (): Promise<never> => await Promise.reject(new RingwallError("transfer.insufficient_funds"));
    const doing = async () => await Promise.resolve({ status: 201, body: "{}" });
    await expect(actOnce(leaving, actor, request, clock, refusing)).rejects.toBe(outage);
    await expect(actOnce(leaving, actor, request, clock, doing)).rejects.toBe(outage);
  });

  test("belongs to one actor of one tenant", async () => {
    const other = await data.createTenant("bank-b");
    const request = idempotentRequest("k4", "a");
    for (const actor of [somebody(), somebody(), somebody(other)])
      expect((await act(actor, request)).replayed).toBe(false);
  });

  test("is forgotten after a day, and old ones do not pile up", async () => {
    const actor = somebody();
    const request = idempotentRequest("k5", "a");
    await act(actor, request);
    nowMs += 86_399_999;
    expect((await act(actor, request)).replayed).toBe(true);
    nowMs += 1;
    expect((await act(actor, request)).replayed).toBe(false);
    nowMs += 86_400_000;
    for (let index = 0; index < 200; index += 1) await act(actor, idempotentRequest(`fresh-${index}`, "a"));
    const rows = await data.owner.query(
      "select count(*)::int as n from ringwall.idempotency where tenant_id = $2 and created_at <= $1",
      [new Date(nowMs - 86_400_000).toISOString(), bank],
    );
    expect(Number(rows[0]?.["n"])).toBe(0);
  });

  test("leaves no trace of an act that was already done", async () => {
    const actor = somebody();
    const limit: VelocityLimit = { scope: "once", windowSeconds: 60, sumMax: 10n, countMax: 10 };
    const request = idempotentRequest("k6", "a");
    const once = (asked: IdempotentRequest, amount: bigint) =>
      actOnce(data.client, actor, asked, clock, async (tx) => {
        await addVelocity(tx, limit, amount, clock);
        return { status: 201, body: `${amount}` };
      });
    const results = await Promise.all(Array.from({ length: 20 }, () => once(request, 7n)));
    expect(results.filter((one) => !one.replayed)).toHaveLength(1);
    expect(new Set(results.map((one) => one.outcome.body))).toEqual(new Set(["7"]));
    // Counted once, though twenty tried; the others were over the limit, and still got the answer.
    const rows = await data.owner.query("select sum::text from ringwall.velocity where scope = 'once'");
    expect(rows).toEqual([{ sum: "7" }]);
    await expect(once(idempotentRequest("k6", "b"), 1n)).rejects.toMatchObject({ code: "idempotency.conflict" });
    await expect(once(idempotentRequest("k7", "a"), 7n)).rejects.toMatchObject({ code: "access.velocity_exceeded" });
    expect(await once(idempotentRequest("k7", "a"), 3n)).toMatchObject({ replayed: false });
  });

  test("two requests share a hash only when they are the same", () => {
    const parts = fc.array(fc.string({ maxLength: 8 }), { minLength: 1, maxLength: 3 });
    fc.assert(
      fc.property(parts, parts, (left, right) => {
        const same = JSON.stringify(left) === JSON.stringify(right);
        expect(idempotentRequest("k", ...left).hash.equals(idempotentRequest("k", ...right).hash)).toBe(same);
      }),
    );
  });
});

describe("velocity", () => {
  const limit: VelocityLimit = { scope: "transfer", windowSeconds: 3_600, sumMax: 1_000n, countMax: 10 };
  const spend = (actor: UserActor, amount: bigint, bound = limit): Promise<void> =>
    data.client.forTenant(actor.tenant, actor, (tx) => addVelocity(tx, bound, amount, clock));
  const EXCEEDED = { code: "access.velocity_exceeded" };

  test("lets the sum be used up, by whatever many acts at once, and no more", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.bigInt({ min: 1n, max: 400n }), { minLength: 2, maxLength: 9 }), async (amounts) => {
        const actor = somebody();
        const results = await Promise.allSettled(amounts.map((amount) => spend(actor, amount)));
        const passed = amounts.filter((_, index) => results[index]?.status === "fulfilled");
        const sum = passed.reduce((total, amount) => total + amount, 0n);
        expect(sum).toBeLessThanOrEqual(1_000n);
        const refused = amounts.filter((_, index) => results[index]?.status === "rejected");
        for (const amount of refused) expect(sum + amount).toBeGreaterThan(1_000n);
        const rows = await data.owner.query("select sum::text, count from ringwall.velocity where actor = $1", [
          `user:${actor.user}`,
        ]);
        expect(rows[0]).toEqual({ sum: String(sum), count: passed.length });
      }),
      { numRuns: 12 },
    );
  });

  test("counts acts too: twenty at once are ten", async () => {
    const actor = somebody();
    const results = await Promise.allSettled(Array.from({ length: 20 }, () => spend(actor, 1n)));
    expect(results.filter((one) => one.status === "fulfilled")).toHaveLength(10);
    await expect(spend(actor, 1n)).rejects.toMatchObject(EXCEEDED);
  });

  test("begins anew when its window ends, and says when that is", async () => {
    const actor = somebody();
    await spend(actor, 1_000n);
    nowMs += 600_000;
    await expect(spend(actor, 1n)).rejects.toMatchObject({ ...EXCEEDED, retryAfterSeconds: 3_000 });
    nowMs += 3_000_000;
    await spend(actor, 1_000n);
  });

  test("an absurd amount is refused without an overflow", async () => {
    await expect(spend(somebody(), 2n ** 63n)).rejects.toMatchObject(EXCEEDED);
  });
});
