import { route } from "ringwall/adapters/fastify";
import { TenantIdText } from "ringwall/application/input";
import { AUDIT_ACTIONS } from "ringwall/core";
import type { AuditRecord } from "ringwall/monitoring/audit";
import { z } from "zod";
import { list, Time } from "../answers.ts";
import { partyOf } from "../party.ts";
import type { Routes } from "../services.ts";

const PAGE = 50;
const PAGE_MAX = 200;
// Canonical, so that one number has one spelling; the range is checked after.
const Digits = z.string().regex(/^[1-9][0-9]{0,14}$/);

const Query = z.strictObject({
  limit: Digits.transform(Number).pipe(z.int().min(1).max(PAGE_MAX)).default(PAGE),
  before: Digits.transform(Number).pipe(z.int().min(1)).optional(),
  action: z.enum(AUDIT_ACTIONS).optional(),
  tenant: TenantIdText.optional(),
});

const Event = z.strictObject({
  sequence: z.int(),
  event: z.string(),
  at: Time,
  action: z.string(),
  outcome: z.string(),
  actor: z.string(),
  targets: z.array(z.strictObject({ type: z.string(), id: z.string() })),
  facts: z.record(z.string(), z.unknown()),
  request_id: z.string().nullable(),
  detail: z.unknown().describe("Personal values, when the reader may see them: an object, `unreadable`, or null."),
});

/** A tenant's log, newest first; the reading is recorded in it too. */
export const auditEvents: Routes = (services) => [
  route(
    "GET",
    "/v1/audit-events",
    {
      access: { permission: "admin:access", orOperator: true },
      query: Query,
      output: list(Event),
      problems: ["resource.not_found"],
      summary: "Reads the tenant's audit log, newest first.",
      tag: "audit",
    },
    async ({ exchange, query: { action, before, limit, tenant } }) => {
      const { audit, identity } = services().ringwall;
      const party = partyOf(exchange, tenant, "query");
      if (party.operator) await identity.requireTenant(party.tenant);
      const [whose, actor] = party.operator
        ? [party.tenant, { type: "system", capability: "audit.read" } as const]
        : [party.principal.tenant, party.principal];
      const records = await audit.read(whose, actor, {
        limit,
        // Addresses and names are the tenant's own people's to see.
        details: !party.operator,
        ...(before === undefined ? {} : { before }),
        ...(action === undefined ? {} : { action }),
      });
      return { items: records.map(eventAnswer) };
    },
  ),
];

function eventAnswer({ position, time, actor, requestId, detail, ...record }: AuditRecord): z.input<typeof Event> {
  const { type = "unknown", user, name, capability } = actor;
  const who = user ?? name ?? capability;
  const { action, event, facts, outcome, targets } = record;
  return {
    sequence: position,
    event,
    at: time,
    action,
    outcome,
    actor: who === undefined ? type : `${type}:${who}`,
    targets: [...targets],
    facts,
    request_id: requestId ?? null,
    detail: detail ?? null,
  };
}
