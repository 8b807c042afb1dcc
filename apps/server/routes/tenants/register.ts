import { Answer, route } from "ringwall/adapters/fastify";
import { requests, type TenantAuthority } from "ringwall/application/identity";
import { TenantIdText } from "ringwall/application/input";
import { isoTime } from "ringwall/core";
import { ENVIRONMENTS, type TenantEntry } from "ringwall/data/tenants";
import { caller, type Exchange } from "ringwall/pipeline";
import { z } from "zod";
import { DONE, Link, linkAnswer, list, Time } from "../answers.ts";
import { FRESH_SECONDS, type Routes, SMALL_BODY_BYTES } from "../services.ts";

const Id = z.strictObject({ id: TenantIdText });
const read = { access: { permission: "tenant:manage", orOperator: true }, tag: "tenants" } as const;
const manage = { ...read, stepUpSeconds: FRESH_SECONDS, bodyBytesMax: SMALL_BODY_BYTES } as const;

const Tenant = z.strictObject({
  id: TenantIdText,
  name: z.string(),
  status: z.enum(["active", "suspended", "deleting", "deleted"]),
  environment: z.enum(ENVIRONMENTS),
  account: TenantIdText.nullable().describe("The production tenant that this environment was made for."),
  created_at: Time,
  deletion_at: Time.nullable().describe("When its deletion begins; null when none is planned."),
  deleted_at: Time.nullable(),
});

/** The register of tenants, kept by the platform's owners and by the local operator. */
export const register: Routes = (services) => [
  route(
    "GET",
    "/v1/tenants",
    {
      ...read,
      query: z.strictObject({ after: TenantIdText.optional() }),
      output: list(Tenant),
      summary: "Lists the tenants by id, 200 at a time.",
    },
    async ({ exchange, query }) => {
      const entries = await services().ringwall.identity.listTenants(authority(exchange), query.after);
      return { items: entries.map(entryAnswer) };
    },
  ),
  route(
    "POST",
    "/v1/tenants",
    {
      ...manage,
      body: requests.createTenant,
      output: z.strictObject({ id: TenantIdText, name: z.string() }),
      status: 201,
      problems: ["resource.conflict", "tenant.unavailable"],
      summary: "Makes a tenant: for production, or as another environment of a production tenant.",
    },
    async ({ body, exchange }) => {
      const id = await services().ringwall.identity.createTenant(authority(exchange), body);
      return new Answer(201, { id, name: body.name });
    },
  ),
  route(
    "POST",
    "/v1/tenants/:id/owner-invitations",
    {
      ...manage,
      params: Id,
      body: requests.inviteFirstOwner,
      output: Link,
      status: 201,
      problems: ["resource.conflict"],
      summary: "Invites a new tenant's first owner.",
    },
    async ({ body, exchange, params }) => {
      const issued = await services().ringwall.identity.inviteFirstOwner(authority(exchange), params.id, body.email);
      return linkAnswer(services(), "invitation", issued);
    },
  ),
  ...suspensions(services),
];

const suspensions: Routes = (services) => [
  route(
    "POST",
    "/v1/tenants/:id/suspend",
    {
      ...manage,
      params: Id,
      problems: ["resource.conflict"],
      summary: "Suspends a tenant: nobody in it may act.",
    },
    async ({ exchange, params }) => {
      await services().ringwall.identity.suspendTenant(authority(exchange), params.id);
      return DONE;
    },
  ),
  route(
    "POST",
    "/v1/tenants/:id/resume",
    { ...manage, params: Id, problems: ["resource.conflict", "keys.erased"], summary: "Ends a suspension." },
    async ({ exchange, params }) => {
      await services().ringwall.identity.resumeTenant(authority(exchange), params.id);
      return DONE;
    },
  ),
];

function entryAnswer(entry: TenantEntry): z.input<typeof Tenant> {
  const { account, createdMs, deletedMs, deletionMs, environment, id, name, status } = entry;
  const time = (ms: number | undefined): string | null => (ms === undefined ? null : isoTime(ms));
  return {
    id,
    name,
    status,
    environment,
    account: account ?? null,
    created_at: isoTime(createdMs),
    deletion_at: time(deletionMs),
    deleted_at: time(deletedMs),
  };
}

/** The socket acts as a named capability, everybody else as themselves. */
export function authority(exchange: Exchange): TenantAuthority {
  return exchange.operator ? { type: "system", capability: "tenants.create" } : caller(exchange);
}
