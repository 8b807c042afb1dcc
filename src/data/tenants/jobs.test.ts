import * as fc from "fast-check";
import { beforeEach, describe, expect, test } from "vitest";
import { RingwallError, type TenantId } from "../../core/index.ts";
import { testKeys } from "../../testing/keys.ts";
import { JOB_PAYLOAD_BYTES_MAX, type Job, type JobEnvelopes, jobEnvelopes } from "./index.ts";

const north = "north-bank" as TenantId;
const south = "south-bank" as TenantId;
const FROM = { queue: "mail", names: ["statement.send", "statement.print"] };
const DECRYPT_FAILED = { code: "keys.decrypt_failed" };

let time: { nowMs: number };
let suspended: Set<TenantId>;
let jobs: JobEnvelopes;
const job = (over: Partial<Job> = {}): Job => ({
  tenant: north,
  queue: "mail",
  name: "statement.send",
  payload: { account: "a-1" },
  lifeMs: 60_000,
  ...over,
});

beforeEach(async () => {
  const made = await testKeys();
  time = made.time;
  suspended = new Set();
  const tenants = {
    async requireActive(id: TenantId) {
      if (suspended.has(id)) throw new RingwallError("tenant.unavailable");
      return { id, name: id, status: "active", environment: "production", account: undefined } as never;
    },
  };
  jobs = jobEnvelopes({ keys: made.keys, tenants, clock: () => time.nowMs });
});

describe("a job's envelope", () => {
  test("opens at its queue, as a service of its tenant", async () => {
    const text = await jobs.seal(job());
    expect(text).not.toContain("a-1");
    expect(await jobs.open(text, FROM)).toMatchObject({
      tenant: north,
      name: "statement.send",
      actor: { type: "service", tenant: north, name: "statement.send" },
      madeMs: time.nowMs,
      payload: { account: "a-1" },
    });
    const again = await jobs.open(await jobs.seal(job()), FROM);
    expect(again.id).not.toBe((await jobs.open(text, FROM)).id);
  });

  test("is worth nothing for another tenant, name or queue, and after its life", async () => {
    const text = await jobs.seal(job());
    const refused = async (forged: string, from = FROM) =>
      await expect(jobs.open(forged, from)).rejects.toMatchObject(DECRYPT_FAILED);
    await jobs.seal(job({ tenant: south }));
    await refused(text.replace(north, south));
    await refused(text.replace("statement.send", "statement.print"));
    await refused(text, { ...FROM, queue: "print" });
    await refused(text, { ...FROM, names: [] });
    await refused(`${text}=`);
    await refused(`${text}|x`);
    await refused("x".repeat(200_001));
    time.nowMs += 60_000;
    await refused(text);
  });

  test("opens with no bit changed and no part left out", async () => {
    const text = await jobs.seal(job());
    await fc.assert(
      fc.asyncProperty(fc.nat(text.length - 1), fc.string({ maxLength: 3 }), async (place, put) => {
        const forged = text.slice(0, place) + put + text.slice(place + 1);
        if (forged === text) return;
        await expect(jobs.open(forged, FROM)).rejects.toMatchObject(DECRYPT_FAILED);
      }),
      { numRuns: 200 },
    );
  });

  test("stands still while its tenant is suspended", async () => {
    const text = await jobs.seal(job());
    suspended.add(north);
    const refused = { code: "tenant.unavailable" };
    await expect(jobs.open(text, FROM)).rejects.toMatchObject(refused);
    await expect(jobs.seal(job())).rejects.toMatchObject(refused);
    suspended.clear();
    expect((await jobs.open(text, FROM)).tenant).toBe(north);
  });

  test("has a limit", async () => {
    const payload = "x".repeat(JOB_PAYLOAD_BYTES_MAX);
    await expect(jobs.seal(job({ payload }))).rejects.toMatchObject({ code: "request.too_large" });
    const fits = "x".repeat(JOB_PAYLOAD_BYTES_MAX - 200);
    expect((await jobs.open(await jobs.seal(job({ payload: fits })), FROM)).payload).toBe(fits);
  });
});
