import { route } from "ringwall/adapters/fastify";
import { TenantIdText } from "ringwall/application/input";
import { isoTime, RingwallError } from "ringwall/core";
import { z } from "zod";
import { caller } from "./caller.ts";
import type { Routes } from "./services.ts";

/** What secrets there are, never what they hold. The local operator may name a tenant; everybody else has their own. */
export const secrets: Routes = ({ ringwall }) => [
  route(
    "GET",
    "/v1/secrets",
    {
      access: { permission: "admin:settings", orOperator: true },
      query: z.strictObject({ tenant: TenantIdText.optional() }),
      summary: "Lists secrets by name, version and age.",
      tag: "secrets",
    },
    async ({ exchange, query }) => {
      const summaries = await ringwall.secrets.list(
        exchange.operator ? operatorScope(query.tenant) : ownScope(exchange, query.tenant),
      );
      return {
        items: summaries
          .filter(({ version }) => version !== null)
          .map(({ changedMs, createdMs, expiresMs, name, rotationPending, version }) => ({
            name,
            version,
            rotation_pending: rotationPending,
            created_at: isoTime(createdMs),
            changed_at: changedMs === null ? null : isoTime(changedMs),
            expires_at: expiresMs === null ? null : isoTime(expiresMs),
          })),
      };
    },
  ),
];

type Scope = Parameters<Parameters<Routes>[0]["ringwall"]["secrets"]["list"]>[0];

function operatorScope(tenant: Scope["tenant"]): Scope {
  const actor = { type: "system", capability: "secrets.write" } as const;
  return tenant === undefined ? { actor } : { actor, tenant };
}

/** Another tenant's list looks like one that is not there. */
function ownScope(exchange: Parameters<typeof caller>[0], wanted: Scope["tenant"]): Scope {
  const actor = caller(exchange);
  if (wanted !== undefined && wanted !== actor.tenant) throw new RingwallError("resource.not_found");
  return { tenant: actor.tenant, actor };
}
