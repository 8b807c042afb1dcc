import { Answer, route } from "ringwall/adapters/fastify";
import { requests, type TenantAuthority } from "ringwall/application/identity";
import { TenantIdText } from "ringwall/application/input";
import type { Exchange } from "ringwall/pipeline";
import { z } from "zod";
import { caller } from "./caller.ts";
import { FRESH_SECONDS, linkAnswer, type Routes } from "./services.ts";

const Id = z.strictObject({ id: TenantIdText });
const manage = {
  access: { permission: "tenant:manage", orOperator: true },
  stepUpSeconds: FRESH_SECONDS,
  tag: "tenants",
} as const;

/** The register of tenants, kept by the platform's owners and by the local operator. */
export const tenants: Routes = (services) => {
  const { identity } = services.ringwall;
  return [
    route(
      "POST",
      "/v1/tenants",
      { ...manage, body: requests.createTenant, summary: "Makes a tenant." },
      async ({ body, exchange }) => {
        const id = await identity.createTenant(authority(exchange), body);
        return new Answer(201, { id, name: body.name });
      },
    ),
    route(
      "POST",
      "/v1/tenants/:id/owner-invitations",
      { ...manage, params: Id, body: requests.inviteFirstOwner, summary: "Invites a new tenant's first owner." },
      async ({ body, exchange, params }) => {
        const issued = await identity.inviteFirstOwner(authority(exchange), params.id, body.email);
        return new Answer(201, linkAnswer(services, "invitation", issued));
      },
    ),
    route(
      "POST",
      "/v1/tenants/:id/suspend",
      { ...manage, params: Id, summary: "Suspends a tenant: nobody in it may act." },
      async ({ exchange, params }) => {
        await identity.suspendTenant(authority(exchange), params.id);
        return new Answer(204, undefined);
      },
    ),
    route(
      "POST",
      "/v1/tenants/:id/resume",
      { ...manage, params: Id, summary: "Ends a suspension." },
      async ({ exchange, params }) => {
        await identity.resumeTenant(authority(exchange), params.id);
        return new Answer(204, undefined);
      },
    ),
  ];
};

/** The socket acts as a named capability, everybody else as themselves. */
export function authority(exchange: Exchange): TenantAuthority {
  return exchange.operator ? { type: "system", capability: "tenants.create" } : caller(exchange);
}
