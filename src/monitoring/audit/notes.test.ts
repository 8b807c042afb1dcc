import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { AuditEvent, SessionId, TenantId, UserId } from "../../core/index.ts";
import { parseConfig, tenantId } from "../../core/index.ts";
import { MonitoringConfig } from "./config.ts";
import { type Leaf, parseLeaf } from "./leaf.ts";
import { NOT_DURABLE_MAX_MS, NoteBuffer } from "./notes.ts";

const A = tenantId("bank-a");
const B = tenantId("bank-b");
const START_MS = 1_780_000_000_000;

function config(settings: Record<string, number> = {}) {
  return parseConfig(MonitoringConfig, { audit: settings }).audit;
}

function read(tenant: TenantId, session: string, id: string, address = "192.0.2.1"): AuditEvent {
  return {
    action: "account.read",
    outcome: "success",
    tenant,
    actor: { type: "user", tenant, user: "u" as UserId, session: session as SessionId },
    targets: [{ type: "account", id }],
    context: { address },
  };
}

function refusal(tenant: TenantId, code: string, id: string): AuditEvent {
  return {
    action: "access.denied",
    outcome: "denied",
    tenant,
    actor: { type: "anonymous", tenant },
    targets: [{ type: "account", id }],
    facts: { code },
    context: { address: id },
  };
}

/** Everything pending, as leaves; each chunk is then done. */
function takeAll(notes: NoteBuffer): Leaf[] {
  notes.rotate();
  const leaves: Leaf[] = [];
  for (const tenant of notes.pendingTenants()) {
    for (let chunk = notes.first(tenant); chunk !== undefined; chunk = notes.first(tenant)) {
      for (const { leaf } of chunk.entries) {
        const parsed = parseLeaf(leaf);
        expect(parsed?.tenant).toBe(tenant);
        if (parsed !== undefined) leaves.push(parsed);
      }
      notes.done(tenant);
    }
  }
  return leaves;
}

const count = (leaves: readonly Leaf[]): number => leaves.reduce((sum, { facts }) => sum + Number(facts["count"]), 0);

describe("noted events", () => {
  test("are counted exactly, each kind once, whatever comes in which order", () => {
    const kind = fc.record({
      tenant: fc.constantFrom(A, B),
      session: fc.constantFrom("s1", "s2", "1:s"),
      id: fc.constantFrom("1", "2", "1:1", "", "2/"),
      anonymous: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(fc.oneof(kind, fc.constant("rotate" as const)), { maxLength: 300 }), (steps) => {
        const notes = new NoteBuffer(() => START_MS, config());
        const expected = new Map<string, number>();
        let span = 0;
        for (const step of steps) {
          if (step === "rotate") {
            notes.rotate();
            span += 1;
            continue;
          }
          const { tenant, session, id, anonymous } = step;
          notes.note(anonymous ? refusal(tenant, session, id) : read(tenant, session, id));
          const key = JSON.stringify(anonymous ? [span, tenant, session] : [span, tenant, session, id]);
          expected.set(key, (expected.get(key) ?? 0) + 1);
        }
        const leaves = takeAll(notes);
        const counts = (list: Iterable<number>): number[] => [...list].sort((x, y) => x - y);
        expect(counts(leaves.map(({ facts }) => Number(facts["count"])))).toEqual(counts(expected.values()));
        expect(notes.waiting).toBe(0);
      }),
    );
  });

  test("of two addresses are two records, since the address is the evidence", () => {
    const notes = new NoteBuffer(() => START_MS, config());
    notes.note(read(A, "s", "1", "192.0.2.1"));
    notes.note(read(A, "s", "1", "198.51.100.9"));
    expect(takeAll(notes)).toHaveLength(2);
  });

  test("say when the first and the last of them came", () => {
    let nowMs = START_MS;
    const notes = new NoteBuffer(() => nowMs, config());
    notes.note(read(A, "s", "1"));
    nowMs += 700;
    notes.note(read(A, "s", "1"));
    const [leaf] = takeAll(notes);
    expect(leaf?.facts).toEqual({
      count: 2,
      first_at: "2026-05-28T20:26:40.000Z",
      last_at: "2026-05-28T20:26:40.700Z",
    });
    expect(leaf?.time).toBe("2026-05-28T20:26:40.000Z");
  });

  test("of anonymous callers keep nothing that the caller chose", () => {
    const notes = new NoteBuffer(() => START_MS, config());
    for (let index = 0; index < 10_000; index += 1) notes.note(refusal(A, "resource.not_found", `id-${index}`));
    const leaves = takeAll(notes);
    expect(leaves).toHaveLength(1);
    expect(leaves[0]).toMatchObject({ targets: [], facts: { code: "resource.not_found", count: 10_000 } });
    expect(leaves[0]?.commitment).toBeUndefined();
  });
});

describe("the caps", () => {
  test("on one tenant leave the others their room, and every event is counted", () => {
    const notes = new NoteBuffer(() => START_MS, config({ notesPerTenantMax: 16 }));
    for (let index = 0; index < 100; index += 1) notes.note(read(A, "s", String(index)));
    for (let index = 0; index < 10; index += 1) notes.note(read(B, "s", String(index)));
    const leaves = takeAll(notes);
    expect(leaves.filter(({ tenant }) => tenant === B)).toHaveLength(10);
    const ofA = leaves.filter(({ tenant }) => tenant === A);
    expect(ofA).toHaveLength(17);
    expect(count(ofA)).toBe(100);
    const overflow = ofA.find(({ action }) => action === "audit.overflowed");
    expect(overflow?.facts).toMatchObject({ action: "account.read", outcome: "success", count: 84 });
  });

  test("on all tenants together hold while nothing can be written, and give way when it is", () => {
    const notes = new NoteBuffer(() => START_MS, config({ notesMax: 64 }));
    for (let index = 0; index < 200; index += 1) {
      notes.note(read(index % 2 === 0 ? A : B, "s", String(index)));
      if (index % 10 === 0) notes.rotate();
    }
    expect(notes.waiting).toBeLessThanOrEqual(64 + 40); // One overflow record a tenant and span beside them.
    expect(count(takeAll(notes))).toBe(200);
    expect(notes.waiting).toBe(0);
    notes.note(read(A, "s", "new"));
    expect(takeAll(notes)[0]?.action).toBe("account.read");
  });

  test("count an event whose ids are too long to keep", () => {
    const notes = new NoteBuffer(() => START_MS, config());
    notes.note(read(A, "s", "x".repeat(100_000)));
    notes.note({ ...read(A, "s", "1"), personal: { note: "x".repeat(100_000) } });
    const leaves = takeAll(notes);
    expect(leaves.map(({ action }) => action)).toEqual(["audit.overflowed"]);
    expect(count(leaves)).toBe(2);
  });
});

describe("when nothing can be written for five seconds", () => {
  test("that tenant's notes are refused until something is, and no other tenant's", () => {
    let nowMs = START_MS;
    const notes = new NoteBuffer(() => nowMs, config());
    notes.note(read(A, "s", "1"));
    notes.rotate();
    nowMs += NOT_DURABLE_MAX_MS;
    notes.note(read(A, "s", "2"));
    nowMs += 1;
    expect(() => notes.note(read(A, "s", "3"))).toThrow(expect.objectContaining({ code: "audit.unavailable" }));
    notes.note(read(B, "s", "1"));
    expect(count(takeAll(notes))).toBe(3);
    notes.note(read(A, "s", "4"));
    expect(count(takeAll(notes))).toBe(1);
  });

  test("an idle tenant is not taken for one whose notes wait", () => {
    let nowMs = START_MS;
    const notes = new NoteBuffer(() => nowMs, config());
    notes.note(read(A, "s", "1"));
    takeAll(notes);
    nowMs += 100 * NOT_DURABLE_MAX_MS;
    notes.note(read(A, "s", "2"));
    expect(count(takeAll(notes))).toBe(1);
  });

  test("a batch that is tried again is the same events", () => {
    const notes = new NoteBuffer(() => START_MS, config());
    notes.note(read(A, "s", "1"));
    notes.rotate();
    const once = notes.first(A)?.entries[0];
    expect(notes.first(A)?.entries[0]).toBe(once);
    expect(once).toBeDefined();
  });
});

test("the facts of an aggregate cannot be claimed by a caller", () => {
  const notes = new NoteBuffer(() => START_MS, config());
  expect(() => notes.note({ ...read(A, "s", "1"), facts: { count: 7 } })).toThrow("count");
});
