import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { Database } from "../../core/index.ts";
import {
  type AuditFixture,
  auditConfig,
  auditFixture,
  interfered,
  serviceOf,
  tagSealer,
  transfer,
} from "../../testing/audit-stage.ts";
import { type HeadStore, verifyAudit } from "./index.ts";

let audit: AuditFixture;
beforeEach(async () => {
  audit = await auditFixture();
});
afterEach(async () => {
  await audit.close();
});

/** A store's methods as an object's own, to replace one of them. */
function forward(heads: HeadStore): HeadStore {
  return {
    append: (list) => heads.append(list),
    last: (tenant) => heads.last(tenant),
    read: (tenant) => heads.read(tenant),
    tenants: () => heads.tenants(),
  };
}

/** Every event once, whole, signed and copied, and nothing left over. */
async function expectChained(ofA: number, ofB = 0): Promise<void> {
  const report = await audit.verify();
  expect(report.tenants.map(({ problem }) => problem)).toEqual(report.tenants.map(() => undefined));
  const verified = new Map(report.tenants.map((found) => [found.tenant, found]));
  expect(verified.get(audit.a)?.verified ?? 0).toBe(ofA);
  expect(verified.get(audit.b)?.verified ?? 0).toBe(ofB);
  for (const found of report.tenants) {
    expect(found.signed).toBe(found.verified);
    expect(found.copied).toBe(found.verified);
  }
  expect(await audit.count("audit_outbox")).toBe(0);
  const rows = await audit.owner.query<{ n: number }>(
    `select count(distinct (tenant_id, leaf::json -> 'facts' ->> 'amount'))::int as n from ringwall.audit_entry`,
  );
  expect(rows[0]?.n).toBe(ofA + ofB);
}

describe("chaining", () => {
  test("gives each tenant a chain of its own, in batches of any size", async () => {
    for (let amount = 1; amount <= 10; amount += 1) await audit.act(transfer(audit.a, amount));
    for (let amount = 1; amount <= 5; amount += 1) await audit.act(transfer(audit.b, amount));
    const sequencer = audit.sequencer({ config: auditConfig({ batchSize: 4 }) });
    await sequencer.drain();
    expect(sequencer.status()).toMatchObject({
      state: "active",
      reason: undefined,
      appended: 15,
      refused: 0,
      unsigned: 0,
    });
    await expectChained(10, 5);
  });

  test("does not lose the row of a slow transaction that commits after later ones were chained", async () => {
    const sequencer = audit.sequencer();
    const { promise: others, resolve: othersDone } = Promise.withResolvers<void>();
    const slow = audit.database.forTenant(audit.a, serviceOf(audit.a), async (tx) => {
      await audit.recorder.record(tx, transfer(audit.a, 1));
      await others;
    });
    await audit.act(transfer(audit.a, 2));
    await sequencer.drain();
    expect(await audit.count("audit_entry")).toBe(1);
    othersDone();
    await slow;
    await sequencer.drain();
    await expectChained(2);
  });

  test("signs a tenant at most once in its time, and everything when asked", async () => {
    const sequencer = audit.sequencer({ config: auditConfig({ signMs: 60_000 }) });
    for (let amount = 1; amount <= 3; amount += 1) {
      await audit.act(transfer(audit.a, amount));
      await sequencer.step();
    }
    expect(await audit.count("audit_head_signed")).toBe(1);
    expect(sequencer.status().unsigned).toBe(1);
    await sequencer.stop();
    expect(await audit.count("audit_head_signed")).toBe(2);
    await expectChained(3);
  });

  test("goes on where an earlier process stopped", async () => {
    for (let round = 1; round <= 3; round += 1) {
      await audit.act(transfer(audit.a, round));
      await audit.chain();
    }
    await expectChained(3);
  });

  test("runs in the background from start to stop", async () => {
    const sequencer = audit.sequencer({ config: auditConfig({ pollMs: 10 }) });
    await sequencer.start();
    await audit.act(transfer(audit.a, 1));
    await expect.poll(() => audit.count("audit_head_signed"), { interval: 20, timeout: 10_000 }).toBe(1);
    await sequencer.stop();
    await expectChained(1);
  });
});

test("a log that is being written is verified up to what was there at first", async () => {
  const sequencer = audit.sequencer({ config: auditConfig({ pollMs: 10, signMs: 50 }) });
  await sequencer.start();
  const writing = new AbortController();
  let amount = 0;
  const acts = (async () => {
    while (!writing.signal.aborted) await audit.act(transfer(audit.a, (amount += 1)));
  })();
  await expect.poll(() => audit.count("audit_entry"), { interval: 10, timeout: 10_000 }).toBeGreaterThan(20);
  for (let round = 0; round < 5; round += 1) {
    const settle = { attempts: 100, pause: () => new Promise<void>((done) => void setTimeout(done, 20)) };
    const { source, heads, verifier } = audit;
    const report = await verifyAudit({ source, heads, verifier, seal: tagSealer, settle });
    expect(report.tenants[0]).toMatchObject({ tenant: audit.a, problem: undefined });
  }
  writing.abort();
  await acts;
  await sequencer.drain();
  await sequencer.stop();
  await expectChained(amount);
});

describe("rows that are no audit records", () => {
  test("are put aside, and hold up nobody", async () => {
    await audit.act(transfer(audit.a, 1));
    const leaf = `{"schema":1,"action":"x"}`;
    const insert = (text: string, id: string, tenant: string): Promise<unknown> =>
      audit.owner.query(
        `insert into ringwall.audit_outbox (tenant_id, event_id, occurred_at, leaf) values ('${tenant}', '${id}', now(), '${text}')`,
      );
    await insert(leaf, "01900000-0000-7000-8000-000000000001", audit.a);
    await insert("not json", "01900000-0000-7000-8000-000000000002", audit.a);
    const sequencer = audit.sequencer();
    await sequencer.drain();
    expect(sequencer.status()).toMatchObject({ appended: 1, refused: 2 });
    expect(await audit.count("audit_refused")).toBe(2);
    await expectChained(1);
  });

  test("that repeat an event are dropped when they are the same, and kept as evidence when not", async () => {
    await audit.act(transfer(audit.a, 1));
    await audit.chain();
    const again = (leaf: string): Promise<unknown> =>
      audit.owner.query(
        `insert into ringwall.audit_outbox (tenant_id, event_id, occurred_at, leaf)
         select tenant_id, event_id, occurred_at, ${leaf} from ringwall.audit_entry`,
      );
    await again("leaf");
    await audit.chain();
    expect(await audit.count("audit_refused")).toBe(0);
    await again("replace(leaf, 'success', 'denied')");
    await audit.chain();
    expect(await audit.count("audit_refused")).toBe(1);
    await expectChained(1);
  });

  test("that speak of another tenant are put aside", async () => {
    await audit.act(transfer(audit.a, 1));
    await audit.owner.query("update ringwall.audit_outbox set tenant_id = 'bank-b'");
    await audit.chain();
    expect(await audit.count("audit_refused")).toBe(1);
    expect(await audit.count("audit_entry")).toBe(0);
  });
});

describe("two sequencers", () => {
  test("never work at once: the second stands by until the first gives the place up", async () => {
    const [first, second] = [audit.sequencer(), audit.sequencer()];
    await audit.act(transfer(audit.a, 1));
    await first.drain();
    await audit.act(transfer(audit.a, 2));
    await expect(second.drain()).rejects.toMatchObject({ code: "audit.unavailable" });
    expect(second.status().state).toBe("standby");
    expect(await audit.count("audit_outbox")).toBe(1);
    await first.stop();
    await second.drain();
    await expectChained(2);
  });

  test("where the first was paused and the second took over: the first finds out and writes nothing", async () => {
    const [first, second] = [audit.sequencer(), audit.sequencer()];
    await audit.act(transfer(audit.a, 1));
    await first.drain();
    await audit.owner.query("update ringwall.audit_sequencer set lease_until = '-infinity'");
    await audit.act(transfer(audit.a, 2));
    await second.drain();
    await audit.act(transfer(audit.a, 3));
    expect(await first.step()).toBe(false);
    expect(first.status()).toMatchObject({ state: "standby", appended: 1 });
    await second.drain();
    await expectChained(3);
  });

  test("where one is overtaken while it looks at the copies: what it saw is no verdict on the log", async () => {
    await audit.act(transfer(audit.a, 1));
    await audit.chain();
    let overtaken = false;
    const heads: HeadStore = {
      ...forward(audit.heads),
      last: async (tenant) => {
        if (!overtaken) {
          overtaken = true;
          await audit.owner.query("update ringwall.audit_sequencer set lease_until = '-infinity'");
          await audit.act(transfer(audit.a, 2));
          await audit.chain();
        }
        return await audit.heads.last(tenant);
      },
    };
    const slow = audit.sequencer({ heads });
    await expect(slow.step()).rejects.toMatchObject({ code: "resource.conflict" });
    expect(slow.status().state).toBe("standby");
    await slow.drain();
    await expectChained(2);
  });

  test("stealing the place from each other all the time double nothing and lose nothing", async () => {
    const all = [audit.sequencer(), audit.sequencer(), audit.sequencer()];
    const acts = (async () => {
      for (let amount = 1; amount <= 60; amount += 1)
        await audit.act(transfer(amount % 2 === 0 ? audit.a : audit.b, amount));
    })();
    const rounds = all.map(async (sequencer) => {
      for (let round = 0; round < 25; round += 1) {
        await audit.owner.query("update ringwall.audit_sequencer set lease_until = '-infinity'");
        await sequencer.step().catch((error: unknown) => {
          // Fenced off in the middle of a round. What must never come is the verdict that the log was changed.
          expect(error).not.toMatchObject({ code: "audit.unavailable" });
        });
      }
    });
    await Promise.all([acts, ...rounds]);
    await audit.owner.query("update ringwall.audit_sequencer set lease_until = '-infinity'");
    await audit.chain();
    await expectChained(30, 30);
  });
});

describe("a crash", () => {
  /** Counts what goes to the database and dies at one step, before or after it took effect. */
  function dying(database: Database, dieAt: number, after: boolean): { database: Database; steps: () => number } {
    let steps = 0;
    const step = async <T>(work: () => Promise<T>): Promise<T> => {
      steps += 1;
      if (steps === dieAt && !after) throw new Error("crash");
      const result = await work();
      if (steps === dieAt) throw new Error("crash");
      return result;
    };
    return { steps: () => steps, database: interfered(database, step) };
  }

  test("at any step, before or after it took effect, loses and doubles nothing", async () => {
    let amount = 0;
    let crashes = 0;
    for (let dieAt = 1; ; dieAt += 1) {
      let died = false;
      for (const after of [false, true]) {
        await audit.act(transfer(audit.a, (amount += 1)));
        await audit.act(transfer(audit.a, (amount += 1)));
        const { database, steps } = dying(audit.worker, dieAt, after);
        const crashed = await audit
          .sequencer({ database })
          .drain()
          .then(
            () => false,
            () => true,
          );
        died ||= crashed;
        if (crashed) crashes += 1;
        expect(steps()).toBeGreaterThanOrEqual(crashed ? dieAt : 1);
        // The crashed process gives nothing back; its lease ends.
        await audit.owner.query("update ringwall.audit_sequencer set lease_until = '-infinity'");
        await audit.chain();
        await expectChained(amount);
      }
      if (!died) break;
    }
    expect(crashes).toBeGreaterThanOrEqual(12);
  });

  test("between signing and copying leaves a head to copy later", async () => {
    const full: HeadStore = { ...forward(audit.heads), append: () => Promise.reject(new Error("disk full")) };
    await audit.act(transfer(audit.a, 1));
    await expect(audit.sequencer({ heads: full }).drain()).rejects.toThrow("disk full");
    expect(await audit.heads.last(audit.a)).toBeUndefined();
    await audit.owner.query("update ringwall.audit_sequencer set lease_until = '-infinity'");
    await audit.chain();
    await expectChained(1);
  });

  test("after copying, before that is known, copies nothing twice", async () => {
    const forgetful: HeadStore = {
      ...forward(audit.heads),
      append: async (heads) => {
        await audit.heads.append(heads);
        throw new Error("crash");
      },
    };
    await audit.act(transfer(audit.a, 1));
    await expect(audit.sequencer({ heads: forgetful }).drain()).rejects.toThrow("crash");
    await audit.owner.query("update ringwall.audit_sequencer set lease_until = '-infinity'");
    await audit.chain();
    await expectChained(1);
  });
});
