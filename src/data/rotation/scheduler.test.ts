import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Logger, PLATFORM_TENANT, RingwallError, type TenantId } from "../../core/index.ts";
import { type RotationStage, rotationStage } from "../../testing/rotation/index.ts";
import type { Keys } from "../keys/index.ts";
import { createKeyScheduler, type KeyAge, keyAgeMetrics } from "./index.ts";

const DAY_MS = 86_400_000;
let stage: RotationStage;
let count = 0;
beforeAll(async () => {
  stage = await rotationStage();
});
afterAll(() => stage.close());

const newTenant = (): Promise<TenantId> => stage.db.createTenant(`tenant-${String((count += 1))}`);

/** As if every key had been made so long ago, and nobody held the lease. */
async function age(days: number): Promise<void> {
  await stage.db.owner.query("alter table ringwall.tenant_key disable trigger key_change");
  await stage.db.owner.query(
    "update ringwall.tenant_key set created_at = now() - $1 * interval '1 day', wrapped_at = now() - $1 * interval '1 day'",
    [days],
  );
  await stage.db.owner.query("alter table ringwall.tenant_key enable trigger key_change");
  await stage.db.owner.query("update ringwall.key_scheduler set lease_until = '-infinity'");
  stage.recorder.events.length = 0;
}

const newest = async (tenant: TenantId) =>
  Object.fromEntries(
    (
      await stage.db.owner.query<{ purpose: string; version: number }>(
        "select purpose, max(version) as version from ringwall.tenant_key where tenant_id = $1 group by 1",
        [tenant],
      )
    ).map(({ purpose, version }) => [purpose, version]),
  );

describe("the scheduler", () => {
  test("works on one node at a time; one that ends hands over at once, and nobody gives away what another holds", async () => {
    const [first, second] = [(await stage.node()).parts, (await stage.node()).parts].map(createKeyScheduler);
    await stage.db.owner.query("update ringwall.key_scheduler set lease_until = '-infinity'");
    expect([(await first?.tick())?.held, (await second?.tick())?.held]).toEqual([true, false]);
    await second?.release();
    expect((await second?.tick())?.held).toBe(false);
    await first?.release();
    expect((await second?.tick())?.held).toBe(true);
  });

  test("replaces keys at 90 days and not before, wraps their rows anew, and leaves what is replaced by hand", async () => {
    const tenant = await newTenant();
    const node = await stage.node();
    await stage.fill(node.keys, tenant, 5);
    await node.keys.current(tenant, "vault");
    await node.keys.current(tenant, "index");
    await node.keys.service("session-pepper");
    await age(89);
    expect(await createKeyScheduler(node.parts).tick()).toMatchObject({ held: true, rotated: 0, jobs: [] });
    await age(90);
    const tick = await createKeyScheduler(node.parts).tick();
    expect(tick).toMatchObject({ held: true, overdue: 0 });
    expect(tick.jobs).toMatchObject([{ tenant, state: "done", done: 5 }]);
    expect(await newest(tenant)).toEqual({ data: 2, vault: 2, index: 1 });
    expect(await newest(PLATFORM_TENANT)).toMatchObject({ anchor: 1, "session-pepper": 1 });
    expect(await stage.versions(tenant)).toEqual({ 2: 5 });
    expect(stage.recorder.events).toContainEqual(
      expect.objectContaining({ action: "key.rotated", tenant, facts: { version: 2 } }),
    );
    expect(await node.open(tenant)).toHaveLength(5);
  });

  test("says once a day what is overdue, in the audit log and in the log, and which master is", async () => {
    const tenant = await newTenant();
    const node = await stage.node();
    await node.keys.current(tenant, "index");
    await age(372);
    const lines: object[] = [];
    const log: Logger = { info() {}, warn: (facts) => void lines.push(facts), error() {} };
    const scheduler = createKeyScheduler({ ...node.parts, log });
    await scheduler.tick();
    const alarms = () => stage.recorder.events.filter(({ action }) => action === "key.overdue");
    expect(alarms()).toContainEqual(
      expect.objectContaining({ tenant, targets: [{ type: "key", id: "index" }], facts: { days: 372 } }),
    );
    expect(alarms()).toContainEqual(
      expect.objectContaining({ tenant: PLATFORM_TENANT, targets: [{ type: "key", id: "master" }] }),
    );
    const said = alarms().length;
    expect(lines).toHaveLength(said);
    stage.time.aheadMs += 2 * 3_600_000;
    await scheduler.tick();
    expect(alarms()).toHaveLength(said);
    stage.time.aheadMs += DAY_MS;
    await scheduler.tick();
    expect(alarms()).toHaveLength(2 * said);
    expect(scheduler.metrics().find(({ purpose }) => purpose === "index")).toMatchObject({ overdue: 2 });
    stage.time.aheadMs = 0;
  });

  test("works on one node at a time", async () => {
    const node = await stage.node();
    await age(0);
    const [one, other] = [createKeyScheduler(node.parts), createKeyScheduler(node.parts)];
    const ticks = await Promise.all([one.tick(), other.tick()]);
    expect(ticks.filter(({ held }) => held)).toHaveLength(1);
    const holder = ticks[0].held ? one : other;
    expect(await holder.tick()).toMatchObject({ held: true });
  });

  test("goes on with other tenants when one's key cannot be replaced", async () => {
    const [broken, other] = [await newTenant(), await newTenant()];
    const node = await stage.node();
    await node.keys.current(broken, "vault");
    await node.keys.current(other, "vault");
    await age(90);
    const keys = new Proxy<Keys>(node.keys, {
      get(target, name) {
        if (name !== "rotate") {
          const found: unknown = Reflect.get(target, name);
          return typeof found === "function" ? found.bind(target) : found;
        }
        return async (...asked: Parameters<Keys["rotate"]>) => {
          if (asked[0] === broken) throw new RingwallError("keys.unavailable");
          return await target.rotate(...asked);
        };
      },
    });
    const tick = await createKeyScheduler({ ...node.parts, keys }).tick();
    expect(tick.held).toBe(true);
    expect(await newest(other)).toEqual({ vault: 2 });
    expect(await newest(broken)).toEqual({ vault: 1 });
  });

  test("finds a data key that was replaced without a job, and opens one", async () => {
    const tenant = await newTenant();
    const node = await stage.node();
    await stage.fill(node.keys, tenant, 2);
    await node.keys.rotate(tenant, "data", { type: "system", capability: "keys.manage" });
    await age(0);
    const { jobs } = await createKeyScheduler(node.parts).tick();
    expect(jobs).toContainEqual(expect.objectContaining({ tenant, state: "done", done: 2 }));
  });
});

test("age metrics name purposes and never a tenant, and leave out what was erased", () => {
  const base: KeyAge = {
    tenant: PLATFORM_TENANT,
    purpose: "data",
    class: "tenant",
    version: 1,
    minVersion: 1,
    madeMs: 0,
    ageSeconds: 10,
    periodSeconds: 1,
    dueMs: 0,
    overdue: false,
    automatic: true,
    versions: [],
  };
  const erased = { ...base, minVersion: undefined, ageSeconds: 1_000 };
  expect(keyAgeMetrics([base, { ...base, ageSeconds: 30, overdue: true }, erased], 0)).toEqual([
    { class: "tenant", purpose: "data", oldestSeconds: 30, overdue: 1 },
  ]);
  // The anchor's age is the master's: since when it wraps, whatever the age of the anchor itself.
  const version = { version: 1, state: "active", masterId: "m", madeMs: 0, wrappedMs: 5_000, wraps: 0 } as const;
  const anchor: KeyAge = { ...base, purpose: "anchor", class: "service", versions: [version] };
  const year = 372 * 86_400_000;
  expect(keyAgeMetrics([anchor], 65_000)).toEqual([
    { class: "master", purpose: "master", oldestSeconds: 60, overdue: 0 },
  ]);
  expect(keyAgeMetrics([anchor], 5_000 + year)).toMatchObject([{ class: "master", overdue: 1 }]);
});
