import { Answer, route } from "ringwall/adapters/fastify";
import { TenantIdText, Uuid } from "ringwall/application/input";
import { PLATFORM_TENANT, RingwallError } from "ringwall/core";
import { type Erasure, REASON_CHARS_MAX } from "ringwall/data/erasure";
import { caller } from "ringwall/pipeline";
import { z } from "zod";
import { list, Time } from "../answers.ts";
import { partyOf } from "../party.ts";
import { type Routes, SMALL_BODY_BYTES } from "../services.ts";

/** What is erased stays erased: the second factor has to have been given for this very act. */
const JUST_NOW_SECONDS = 300;
const ROW_CHARS_MAX = 200;

const Reason = z.string().trim().min(1).max(REASON_CHARS_MAX).describe("Why; stands in the certificate.");
const Done = z.strictObject({
  id: Uuid,
  certificate: z.string().describe("The signed certificate, one line of JSON."),
});
const act = { tag: "erasures", stepUpSeconds: JUST_NOW_SECONDS, bodyBytesMax: SMALL_BODY_BYTES } as const;

const Item = z.strictObject({
  id: Uuid,
  subject: z.enum(["tenant", "row", "person"]),
  tenant: TenantIdText,
  place: z.string(),
  name: z.string(),
  reason: z.string(),
  approver: z.string(),
  ordered_at: Time,
  certificate: z.string().nullable(),
});

/** Erasing is for people alone: the local socket has no second factor, and can carry the ledger out again only. */
export const erasures: Routes = (services) => [
  route(
    "GET",
    "/v1/erasures",
    {
      access: { permission: "admin:settings", orOperator: true },
      tag: "erasures",
      query: z.strictObject({ tenant: TenantIdText.optional() }),
      output: list(Item),
      problems: ["resource.not_found"],
      summary:
        "Lists a tenant's erasures, newest first, with their certificates; of another tenant the platform sees its own end.",
    },
    async ({ exchange, query }) => {
      const { erasures: store } = services();
      if (!exchange.operator && query.tenant !== undefined && caller(exchange).tenant === PLATFORM_TENANT) {
        const found = await store.list(query.tenant, caller(exchange));
        // Which rows and people a tenant erased, and why, is the tenant's; that it was erased itself is the platform's.
        const isOwn = query.tenant === PLATFORM_TENANT;
        return { items: found.filter(({ order }) => isOwn || order.subject === "tenant").map(erasureAnswer) };
      }
      const party = partyOf(exchange, query.tenant, "query");
      const [tenant, actor] = party.operator
        ? [party.tenant, { type: "system", capability: "keys.manage" } as const]
        : [party.principal.tenant, party.principal];
      return { items: (await store.list(tenant, actor)).map(erasureAnswer) };
    },
  ),
  route(
    "POST",
    "/v1/tenants/:id/erasure",
    {
      ...act,
      access: { permission: "tenant:manage" },
      params: z.strictObject({ id: TenantIdText }),
      body: z.strictObject({ confirm: z.string().describe("The tenant's name, typed by the person."), reason: Reason }),
      output: Done,
      status: 201,
      problems: ["resource.not_found", "resource.conflict", "access.denied"],
      summary: "Destroys every key of a tenant for good, and suspends it.",
    },
    async ({ body, exchange, params }) => {
      const { erasures: store, ringwall } = services();
      const actor = caller(exchange);
      // Every tenant's owner may manage tenants; the register and what is in it are the platform's.
      if (actor.tenant !== PLATFORM_TENANT) throw new RingwallError("access.denied");
      const found = await ringwall.database.lookup<{ name: string }>("tenant_by_id", [params.id]);
      if (found === undefined) throw new RingwallError("resource.not_found");
      // The one thing that tells "the right tenant" from "the row that was next to it".
      if (found.name !== body.confirm) {
        throw new RingwallError("request.invalid", { detail: { fields: "body.confirm" } });
      }
      const done = await store.erase({
        actor,
        tenant: params.id,
        reason: body.reason,
        what: { subject: "tenant" },
      });
      return new Answer(201, done);
    },
  ),
  ...ofOneTenant(services),
];

const ofOneTenant: Routes = (services) => [
  route(
    "POST",
    "/v1/row-erasures",
    {
      ...act,
      access: { permission: "admin:settings" },
      body: z.strictObject({
        place: z.string().min(1).max(ROW_CHARS_MAX).describe("The table, as it was registered."),
        row: z.string().min(1).max(ROW_CHARS_MAX),
        reason: Reason,
      }),
      output: Done,
      status: 201,
      problems: ["resource.not_found"],
      summary: "Destroys the key of one row of the caller's tenant for good.",
    },
    async ({ body: { place, reason, row }, exchange }) => {
      const actor = caller(exchange);
      const what = { subject: "row", place, row } as const;
      return new Answer(201, await services().erasures.erase({ actor, tenant: actor.tenant, reason, what }));
    },
  ),
  route(
    "POST",
    "/v1/person-erasures",
    {
      ...act,
      access: { permission: "admin:settings" },
      body: z.strictObject({ user: Uuid, reason: Reason }),
      output: Done,
      status: 201,
      problems: ["resource.not_found"],
      summary: "Destroys the keys of a person's rows and what the audit log holds of them, for good.",
    },
    async ({ body: { reason, user }, exchange }) => {
      const actor = caller(exchange);
      const what = { subject: "person", user } as const;
      return new Answer(201, await services().erasures.erase({ actor, tenant: actor.tenant, reason, what }));
    },
  ),
  route(
    "POST",
    "/v1/erasure-replays",
    {
      access: "operator",
      tag: "erasures",
      output: z.strictObject({ orders: z.int(), replayed: z.int(), refused: z.int(), copied: z.int() }),
      summary: "Carries out again what the erasure ledger says, after a restore.",
    },
    async () => await services().erasures.replay(),
  ),
];

function erasureAnswer({ certificate, order }: Erasure): z.input<typeof Item> {
  const { approver, id, name, ordered_at, place, reason, subject, tenant } = order;
  return { id, subject, tenant, place, name, reason, approver, ordered_at, certificate: certificate ?? null };
}
