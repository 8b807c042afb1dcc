import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type AuditEvent, type SessionId, tenantId, type UserId, uuidv7 } from "../../core/index.ts";
import {
  type AuditFixture,
  auditConfig,
  auditFixture,
  interfered,
  serviceOf,
  tagSealer,
  transfer,
} from "../../testing/audit-stage.ts";
import { createAuditReader, createRecorder, tenantSource, verifyAudit } from "./index.ts";

const USER = uuidv7(1) as UserId;

let audit: AuditFixture;
beforeEach(async () => {
  audit = await auditFixture();
});
afterEach(async () => {
  await audit.close();
});

function read(id: string): AuditEvent {
  const actor = { type: "user", tenant: audit.a, user: USER, session: "s" as SessionId } as const;
  return { action: "account.read", outcome: "success", tenant: audit.a, actor, targets: [{ type: "account", id }] };
}

describe("a recorded event", () => {
  test("commits with its act", async () => {
    await audit.act(transfer(audit.a, 1));
    expect(await audit.count("audit_outbox")).toBe(1);
  });

  test("goes with its act when the act fails, also after it was recorded", async () => {
    const act = audit.database.forTenant(audit.a, serviceOf(audit.a), async (tx) => {
      await audit.recorder.record(tx, transfer(audit.a, 1));
      throw new Error("the act failed");
    });
    await expect(act).rejects.toThrow("the act failed");
    expect(await audit.count("audit_outbox")).toBe(0);
  });

  test("that cannot be written fails the act", async () => {
    const act = audit.database.forTenant(audit.a, serviceOf(audit.a), async (tx) => {
      await audit.recorder.record(tx, transfer(audit.a, 1));
      await audit.recorder.record(tx, { ...transfer(audit.a, 2), facts: { note: "x".repeat(70_000) } });
    });
    await expect(act).rejects.toMatchObject({ code: "request.too_large" });
    expect(await audit.count("audit_outbox")).toBe(0);
  });

  test("of another tenant than its transaction's is refused", async () => {
    const act = audit.database.forTenant(audit.a, serviceOf(audit.a), (tx) =>
      audit.recorder.record(tx, transfer(audit.b, 1)),
    );
    await expect(act).rejects.toThrow("its own tenant");
  });

  test("waits for a key that is not at hand yet", async () => {
    const seal = { ...tagSealer, seal: async (...of: Parameters<typeof tagSealer.seal>) => tagSealer.seal(...of) };
    const slow = createRecorder({ database: audit.database, seal, clock: audit.clock, config: auditConfig() });
    await audit.database.forTenant(audit.a, serviceOf(audit.a), (tx) => slow.record(tx, transfer(audit.a, 1)));
    await slow.close();
    await audit.chain();
    expect((await audit.verify()).ok).toBe(true);
  });

  test("can be written by a host application's own role", async () => {
    const recorder = createRecorder({
      database: audit.client,
      seal: tagSealer,
      clock: audit.clock,
      config: auditConfig(),
    });
    await audit.client.forTenant(audit.a, serviceOf(audit.a), (tx) => recorder.record(tx, transfer(audit.a, 1)));
    recorder.note(read("1"));
    await recorder.close();
    expect(await audit.count("audit_outbox")).toBe(2);
  });
});

describe("noted events", () => {
  test("are in the outbox after a flush, counted", async () => {
    for (let index = 0; index < 1_000; index += 1) audit.recorder.note(read(String(index % 300)));
    await audit.recorder.flush();
    const rows = await audit.owner.query<{ rows: number; events: number }>(
      `select count(*)::int as rows, sum((leaf::json -> 'facts' ->> 'count')::int)::int as events from ringwall.audit_outbox`,
    );
    expect(rows[0]).toEqual({ rows: 300, events: 1_000 });
    await audit.chain();
    expect((await audit.verify()).ok).toBe(true);
  });

  test("are written by the timer", async () => {
    const ticks: (() => void)[] = [];
    const every = (ms: number, tick: () => void): (() => void) => {
      expect(ms).toBe(1_000);
      ticks.push(tick);
      return () => ticks.pop();
    };
    const { database, clock } = audit;
    const recorder = createRecorder({ database, seal: tagSealer, clock, config: auditConfig(), every });
    recorder.note(read("1"));
    ticks[0]?.();
    await expect.poll(() => audit.count("audit_outbox"), { interval: 10, timeout: 10_000 }).toBe(1);
    await recorder.close();
    expect(ticks).toEqual([]);
  });

  test("that cannot be written are kept, refused after five seconds, and written once when they can be", async () => {
    let nowMs = audit.clock();
    let broken = true;
    const database = interfered(audit.database, (work) => (broken ? Promise.reject(new Error("gone")) : work()));
    const every = () => () => undefined;
    const recorder = createRecorder({ database, seal: tagSealer, clock: () => nowMs, config: auditConfig(), every });
    recorder.note(read("1"));
    await expect(recorder.flush()).rejects.toMatchObject({ code: "audit.unavailable" });
    nowMs += 5_001;
    expect(() => recorder.note(read("2"))).toThrow(expect.objectContaining({ code: "audit.unavailable" }));
    await expect(recorder.flush()).rejects.toMatchObject({ code: "audit.unavailable" });
    broken = false;
    await recorder.flush();
    expect(() => recorder.note(read("3"))).not.toThrow();
    await recorder.close();
    expect(await audit.count("audit_outbox")).toBe(2);
  });

  test("whose commit was in doubt are written once", async () => {
    let doubtful = 2;
    const database = interfered(audit.database, async (work) => {
      const result = await work();
      doubtful -= 1;
      if (doubtful >= 0) throw new Error("the answer was lost");
      return result;
    });
    const every = () => () => undefined;
    const recorder = createRecorder({ database, seal: tagSealer, clock: audit.clock, config: auditConfig(), every });
    recorder.note(read("1"));
    await expect(recorder.flush()).rejects.toMatchObject({ code: "audit.unavailable" });
    // Chained in between: the second writing must not become a second entry either.
    await audit.chain();
    await expect(recorder.flush()).rejects.toMatchObject({ code: "audit.unavailable" });
    await recorder.close();
    await audit.chain();
    expect(await audit.count("audit_entry")).toBe(1);
    expect(await audit.count("audit_refused")).toBe(0);
  });
});

describe("reading", () => {
  test("shows a tenant its own log, newest first, and is itself recorded", async () => {
    for (let amount = 1; amount <= 5; amount += 1) await audit.act(transfer(audit.a, amount));
    await audit.act(transfer(audit.b, 1));
    await audit.chain();
    const reader = createAuditReader({ database: audit.database, seal: tagSealer, recorder: audit.recorder });
    const actor = serviceOf(audit.a);
    const page = await reader.read(audit.a, actor, { limit: 2, details: true });
    expect(page.map(({ position }) => position)).toEqual([5, 4]);
    expect(page[0]).toMatchObject({ facts: { amount: 5 }, requestId: "request-5", detail: { address: "192.0.2.1" } });
    const next = await reader.read(audit.a, actor, { limit: 10, before: 4, details: false });
    expect(next.map(({ position, detail }) => [position, detail])).toEqual([
      [3, undefined],
      [2, undefined],
      [1, undefined],
    ]);
    await audit.chain();
    const readings = await reader.read(audit.a, actor, { limit: 10, action: "audit.read", details: false });
    expect(readings.map(({ facts }) => facts["count"])).toEqual([3, 2]);
    expect((await reader.read(audit.b, serviceOf(audit.b), { limit: 10, details: false })).length).toBe(1);
  });

  test("says of a detail that was exchanged that it is unreadable", async () => {
    await audit.act(transfer(audit.a, 1));
    await audit.act(transfer(audit.a, 2));
    await audit.chain();
    await audit.tamper(
      "update ringwall.audit_entry set detail = (select detail from ringwall.audit_entry where position = 1) where position = 2",
    );
    const reader = createAuditReader({ database: audit.database, seal: tagSealer, recorder: audit.recorder });
    const [newest] = await reader.read(audit.a, serviceOf(audit.a), { limit: 1, details: true });
    expect(newest?.detail).toBe("unreadable");
  });

  test("refuses a limit, a position or an action that cannot be", async () => {
    const reader = createAuditReader({ database: audit.database, seal: tagSealer, recorder: audit.recorder });
    for (const wrong of [{ limit: 0 }, { limit: 201 }, { limit: 1, before: 0 }, { limit: 1, action: "'; drop" }]) {
      await expect(reader.read(audit.a, serviceOf(audit.a), { details: false, ...wrong })).rejects.toMatchObject({
        code: "request.invalid",
      });
    }
  });

  test("an administrator verifies their own tenant's log under the wall, and reaches no other", async () => {
    await audit.act(transfer(audit.a, 1));
    await audit.act(transfer(audit.b, 1));
    await audit.chain();
    const { verifier, heads, database } = audit;
    const source = tenantSource(database, audit.a, serviceOf(audit.a));
    expect(await verifyAudit({ source, heads, verifier, tenant: audit.a })).toMatchObject({ ok: true });
    const other = await verifyAudit({ source, heads, verifier, tenant: audit.b });
    expect(other.tenants[0]).toMatchObject({ verified: 0, problem: { kind: "truncated" } });
  });
});

describe("the database refuses", () => {
  const as = (role: "database" | "client" | "worker", text: string, values: readonly string[] = []): Promise<unknown> =>
    audit[role].once(audit.a, serviceOf(audit.a), { name: `attack.${text}`.slice(0, 60), text }, values);

  test("reading, changing or removing in the outbox, by every role", async () => {
    await audit.act(transfer(audit.a, 1));
    for (const role of ["database", "client", "worker"] as const) {
      await expect(as(role, "select leaf from ringwall.audit_outbox")).rejects.toThrow();
      await expect(as(role, "delete from ringwall.audit_outbox")).rejects.toThrow();
      await expect(as(role, "update ringwall.audit_outbox set leaf = '{}'")).rejects.toThrow();
      await expect(as(role, "truncate ringwall.audit_outbox")).rejects.toThrow();
    }
    expect(await audit.count("audit_outbox")).toBe(1);
  });

  test("changing, adding or removing entries and heads, by every role", async () => {
    await audit.act(transfer(audit.a, 1));
    await audit.chain();
    for (const role of ["database", "client", "worker"] as const) {
      for (const table of ["audit_entry", "audit_head", "audit_head_signed", "audit_refused", "audit_sequencer"]) {
        await expect(as(role, `delete from ringwall.${table}`)).rejects.toThrow();
        await expect(as(role, `insert into ringwall.${table} default values`)).rejects.toThrow();
      }
      await expect(as(role, "update ringwall.audit_entry set leaf = '{}'")).rejects.toThrow();
    }
    expect((await audit.verify()).ok).toBe(true);
  });

  test("the sequencer's functions to everybody but the worker", async () => {
    for (const role of ["database", "client"] as const) {
      await expect(as(role, "select * from ringwall.audit_heads('', 10)")).rejects.toThrow();
      await expect(as(role, "select ringwall.audit_claim(gen_random_uuid(), 1000)")).rejects.toThrow();
      await expect(as(role, "select * from ringwall.audit_read('bank-b', 0, 10)")).rejects.toThrow();
    }
  });

  test("a tenant named in an outbox row, and another tenant's log", async () => {
    await audit.act(transfer(audit.b, 1));
    await audit.chain();
    const insert =
      "insert into ringwall.audit_outbox (tenant_id, event_id, occurred_at, leaf) values ('bank-b', gen_random_uuid(), now(), '{}')";
    await expect(as("database", insert)).rejects.toThrow();
    await expect(as("client", insert)).rejects.toThrow();
    expect(await as("database", "select leaf from ringwall.audit_entry")).toEqual([]);
    await expect(as("client", "select leaf from ringwall.audit_entry")).rejects.toThrow();
  });

  test("changes by the tables' own owner, unless triggers are switched off first", async () => {
    await audit.act(transfer(audit.a, 1));
    await audit.chain();
    await expect(audit.owner.query("update ringwall.audit_entry set leaf = '{}'")).rejects.toThrow("append-only");
    await expect(audit.owner.query("truncate ringwall.audit_entry")).rejects.toThrow("append-only");
    await expect(audit.owner.query("delete from ringwall.audit_head_signed")).rejects.toThrow("append-only");
  });
});

test("a tenant that was never heard of has nothing wrong", async () => {
  const report = await verifyAudit({ ...audit, tenant: tenantId("nobody") });
  expect(report).toMatchObject({ ok: true, tenants: [{ verified: 0 }] });
});
