import { createHmac } from "node:crypto";
import canonicalize from "canonicalize";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  type Actor,
  AssertionFailed,
  AUDIT_ACTIONS,
  type AuditEvent,
  isoTime,
  type SessionId,
  tenantId,
  type UserId,
  uuidv7,
} from "../../core/index.ts";
import { buildEntry, ENTRY_BYTES_MAX, openDetail, parseLeaf } from "./leaf.ts";

const TENANT = tenantId("bank-a");
const NOW_MS = 1_780_000_000_000;

// Includes control characters, astral characters and lone surrogates.
const text = fc.string({ unit: "binary", maxLength: 40 });
const anyText = fc.oneof(text, fc.constant("\ud800"), fc.constant("a\u0000\r\nb"), fc.constant('\u2028"\\'));
const fact = fc.oneof(anyText, fc.double({ noNaN: true, noDefaultInfinity: true }), fc.integer(), fc.boolean());
const name = fc.stringMatching(/^[a-z_]{1,12}$/);

const actor: fc.Arbitrary<Actor> = fc.oneof(
  fc.record({
    type: fc.constant("user" as const),
    tenant: fc.constant(TENANT),
    user: fc.uuid().map((id) => id as UserId),
    session: fc.uuid().map((id) => id as SessionId),
  }),
  fc.record({ type: fc.constant("service" as const), tenant: fc.constant(TENANT), name: anyText }),
  fc.record({ type: fc.constant("system" as const), capability: fc.constant("audit.verify" as const) }),
  fc.record({ type: fc.constant("anonymous" as const), tenant: fc.constant(TENANT) }),
);

const event: fc.Arbitrary<AuditEvent> = fc.record(
  {
    action: fc.constantFrom(...AUDIT_ACTIONS),
    outcome: fc.constantFrom("success", "failure", "denied", "error"),
    tenant: fc.constant(TENANT),
    actor,
    targets: fc.array(fc.record({ type: name, id: anyText }), { maxLength: 4 }),
    facts: fc.dictionary(
      fc.oneof(
        name,
        anyText.filter((key) => key.isWellFormed()),
      ),
      fact,
      { maxKeys: 5 },
    ),
    personal: fc.dictionary(name, anyText, { maxKeys: 4 }),
    context: fc.record({ address: anyText, userAgent: anyText, requestId: anyText }, { requiredKeys: [] }),
  },
  { requiredKeys: ["action", "outcome", "tenant", "actor"] },
);

function build(of: AuditEvent, id = uuidv7(NOW_MS)) {
  return buildEntry(of, id, isoTime(NOW_MS));
}

describe("a leaf", () => {
  test("of an application's own action has the form of every action, and no other form is written", () => {
    const of = { outcome: "success", tenant: TENANT, actor: { type: "anonymous", tenant: TENANT } } as const;
    expect(build({ ...of, action: "app.ticket_written" }).leaf).toContain('"action":"app.ticket_written"');
    for (const action of ["app.", "app.Ticket", "app.a.b", 'app.a"', `app.${"a".repeat(41)}`] as const) {
      expect(() => build({ ...of, action })).toThrow(AssertionFailed);
    }
  });

  test("is canonical JSON, whatever the event holds", () => {
    fc.assert(
      fc.property(event, (of) => {
        const { leaf } = build(of);
        expect(leaf).toBe(canonicalize(JSON.parse(leaf)));
      }),
    );
  });

  test("is read back with what the event said", () => {
    fc.assert(
      fc.property(event, (of) => {
        const { leaf, eventId } = build(of);
        const read = parseLeaf(leaf);
        expect(read).toMatchObject({ event: eventId, tenant: TENANT, action: of.action, outcome: of.outcome });
        expect(read?.targets).toEqual((of.targets ?? []).map(({ type, id }) => ({ type, id: id.toWellFormed() })));
        expect(read?.request).toBe(of.context?.requestId?.toWellFormed());
      }),
    );
  });

  test("holds no personal value in clear", () => {
    const { leaf } = build({
      action: "sign_in.failed",
      outcome: "failure",
      tenant: TENANT,
      actor: { type: "anonymous", tenant: TENANT },
      personal: { account: "alice@example.com" },
      context: { address: "192.0.2.77", userAgent: "Mozilla/5.0 (X11)", requestId: "req-1" },
    });
    for (const value of ["alice", "192.0.2.77", "Mozilla"]) expect(leaf).not.toContain(value);
    expect(leaf).toContain("req-1");
  });

  test("commits to the same values differently every time, so that nobody can find them by trying", () => {
    const of: AuditEvent = {
      action: "account.read",
      outcome: "success",
      tenant: TENANT,
      actor: { type: "anonymous", tenant: TENANT },
      context: { address: "192.0.2.1" },
    };
    const commitments = Array.from({ length: 50 }, () => parseLeaf(build(of).leaf)?.commitment);
    expect(new Set(commitments).size).toBe(50);
  });

  test("has no commitment and no detail when nothing personal was known", () => {
    const { leaf, detail } = build({
      action: "key.rotated",
      outcome: "success",
      tenant: TENANT,
      actor: { type: "system", capability: "keys.manage" },
    });
    expect(detail).toBeUndefined();
    expect(parseLeaf(leaf)?.commitment).toBeUndefined();
  });

  test("of more than 64 KiB is refused, and so is its act", () => {
    const huge: AuditEvent = {
      action: "document.created",
      outcome: "success",
      tenant: TENANT,
      actor: { type: "anonymous", tenant: TENANT },
      facts: { title: "x".repeat(ENTRY_BYTES_MAX) },
    };
    expect(() => build(huge)).toThrow(expect.objectContaining({ code: "request.too_large" }));
    const personal: AuditEvent = { ...huge, facts: {}, personal: { note: "x".repeat(ENTRY_BYTES_MAX) } };
    expect(() => build(personal)).toThrow(expect.objectContaining({ code: "request.too_large" }));
  });

  test("is not made to fail by a long user agent", () => {
    const { detail } = build({
      action: "account.read",
      outcome: "success",
      tenant: TENANT,
      actor: { type: "anonymous", tenant: TENANT },
      context: { userAgent: "x".repeat(1_000_000) },
    });
    expect(detail?.length).toBeLessThan(2_000);
  });

  test("refuses a fact that is not a number anybody can read back", () => {
    const of: AuditEvent = {
      action: "transfer.executed",
      outcome: "success",
      tenant: TENANT,
      actor: { type: "anonymous", tenant: TENANT },
      facts: { amount: Number.NaN },
    };
    expect(() => build(of)).toThrow("finite");
  });
});

describe("a detail", () => {
  test("opens to what was personal, against its own commitment only", () => {
    fc.assert(
      fc.property(event, event, (one, other) => {
        const first = build(one);
        const second = build(other);
        const commitment = parseLeaf(first.leaf)?.commitment;
        if (first.detail === undefined || commitment === undefined) return;
        const opened = openDetail(first.detail, commitment);
        expect(opened?.address).toBe(one.context?.address?.toWellFormed());
        if (one.personal !== undefined) {
          const expected = Object.entries(one.personal).map(([key, value]) => [key, value.toWellFormed()]);
          expect(opened?.personal).toEqual(Object.fromEntries(expected));
        }
        if (second.detail !== undefined) expect(openDetail(second.detail, commitment)).toBeUndefined();
      }),
    );
  });

  test("is committed to by HMAC-SHA-256 under the key that it carries, as anybody else's library computes it", () => {
    fc.assert(
      fc.property(event, (of) => {
        const { leaf, detail } = build(of);
        if (detail === undefined) return;
        expect(detail[0]).toBe(1);
        const mac = createHmac("sha256", detail.subarray(1, 33)).update(detail.subarray(33)).digest("base64url");
        expect(parseLeaf(leaf)?.commitment).toBe(mac);
      }),
    );
  });

  test("with any bit changed is not what was committed to", () => {
    const { leaf, detail } = build({
      action: "account.read",
      outcome: "success",
      tenant: TENANT,
      actor: { type: "anonymous", tenant: TENANT },
      context: { address: "2001:db8::1" },
    });
    const commitment = parseLeaf(leaf)?.commitment ?? "";
    expect(detail).toBeDefined();
    if (detail === undefined) return;
    for (let bit = 0; bit < detail.length * 8; bit += 1) {
      const changed = Buffer.from(detail);
      changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      expect(openDetail(changed, commitment)).toBeUndefined();
    }
  });
});

test("nothing that is not a leaf is read as one", () => {
  const leaf = build({
    action: "key.rotated",
    outcome: "success",
    tenant: TENANT,
    actor: { type: "system", capability: "keys.manage" },
  }).leaf;
  const broken = [
    "",
    "null",
    "[]",
    "{}",
    "x",
    leaf.replace('schema":1', 'schema":2'),
    leaf.replace("key.rotated", "x"),
  ];
  for (const text of broken) expect(parseLeaf(text)).toBeUndefined();
  fc.assert(
    fc.property(fc.json(), (json) => {
      expect(parseLeaf(json)).toBeUndefined();
    }),
  );
});
