import { route } from "ringwall/adapters/fastify";
import { TenantIdText } from "ringwall/application/input";
import type { Actor, TenantId } from "ringwall/core";
import { TenantSettings, type VersionedSettings } from "ringwall/data/tenants";
import type { Exchange } from "ringwall/pipeline";
import { z } from "zod";
import { partyOf } from "../party.ts";
import { FRESH_SECONDS, type Routes, SMALL_BODY_BYTES } from "../services.ts";

const Version = z.int().min(0).max(2_147_483_646).describe("Of the settings; 0 while nothing was ever set.");
const Answer = z.strictObject({ tenant: TenantIdText, version: Version, settings: TenantSettings });
const access = { permission: "admin:settings", orOperator: true } as const;
const tag = "tenants";

/** What a tenant has set for itself: read and written by its own administrators, and by the local operator, who names it. */
export const settings: Routes = (services) => [
  route(
    "GET",
    "/v1/tenant-settings",
    {
      access,
      tag,
      query: z.strictObject({ tenant: TenantIdText.optional() }),
      output: Answer,
      problems: ["resource.not_found"],
      summary: "Shows the tenant's settings and their version, or the defaults.",
    },
    async ({ exchange, query }) => {
      const { tenant } = whose(exchange, query.tenant, "query");
      if (exchange.operator) await services().ringwall.identity.requireTenant(tenant);
      return settingsAnswer(tenant, await services().ringwall.tenants.settings.of(tenant));
    },
  ),
  route(
    "PUT",
    "/v1/tenant-settings",
    {
      access,
      tag,
      stepUpSeconds: FRESH_SECONDS,
      bodyBytesMax: SMALL_BODY_BYTES,
      body: z.strictObject({
        tenant: TenantIdText.optional(),
        version: Version.describe("The version that was read; another one in between is a conflict."),
        settings: TenantSettings,
      }),
      output: Answer,
      problems: ["resource.not_found", "resource.conflict"],
      summary: "Replaces the tenant's settings, if nobody else has changed them since they were read.",
    },
    async ({ body, exchange }) => {
      const { actor, tenant } = whose(exchange, body.tenant, "body");
      if (exchange.operator) await services().ringwall.identity.requireLivingTenant(tenant);
      const change = { version: body.version, settings: body.settings };
      return settingsAnswer(tenant, await services().ringwall.tenants.settings.change(actor, tenant, change));
    },
  ),
];

function whose(
  exchange: Exchange,
  named: TenantId | undefined,
  part: "query" | "body",
): { readonly tenant: TenantId; readonly actor: Actor } {
  const party = partyOf(exchange, named, part);
  if (party.operator) return { tenant: party.tenant, actor: { type: "system", capability: "tenants.settings" } };
  return { tenant: party.principal.tenant, actor: party.principal };
}

function settingsAnswer(tenant: TenantId, { settings: found, version }: VersionedSettings): z.input<typeof Answer> {
  return { tenant, version, settings: found };
}
