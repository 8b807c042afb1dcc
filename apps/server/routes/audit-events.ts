import { route } from "ringwall/adapters/fastify";
import { AUDIT_ACTIONS } from "ringwall/core";
import type { AuditRecord } from "ringwall/monitoring/audit";
import { z } from "zod";
import { caller } from "./caller.ts";
import type { Routes } from "./services.ts";

const PAGE = 50;
const PAGE_MAX = 200;

const Query = z.strictObject({
  limit: z.coerce.number().int().min(1).max(PAGE_MAX).default(PAGE),
  before: z.coerce.number().int().min(1).optional(),
  action: z.enum(AUDIT_ACTIONS).optional(),
});

/** One's own tenant's log, newest first; the reading is recorded too. */
export const auditEvents: Routes = ({ ringwall: { audit } }) => [
  route(
    "GET",
    "/v1/audit-events",
    { access: { permission: "admin:access" }, query: Query, summary: "Reads the tenant's audit log.", tag: "audit" },
    async ({ exchange, query }) => {
      const principal = caller(exchange);
      const { action, before, limit } = query;
      const records = await audit.read(principal.tenant, principal, {
        limit,
        details: true,
        ...(before === undefined ? {} : { before }),
        ...(action === undefined ? {} : { action }),
      });
      return { items: records.map(eventAnswer) };
    },
  ),
];

function eventAnswer({ position, time, actor, requestId, detail, ...record }: AuditRecord) {
  const { type = "unknown", user, name, capability } = actor;
  const who = user ?? name ?? capability;
  return {
    sequence: position,
    at: time,
    ...record,
    actor: who === undefined ? type : `${type}:${who}`,
    request_id: requestId ?? null,
    detail: detail ?? null,
  };
}
