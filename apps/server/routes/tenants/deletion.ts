import { Answer, route } from "ringwall/adapters/fastify";
import { TenantIdText } from "ringwall/application/input";
import { type Actor, isoTime, PLATFORM_TENANT, RingwallError } from "ringwall/core";
import { REASON_CHARS_MAX } from "ringwall/data/erasure";
import { caller, type Exchange } from "ringwall/pipeline";
import { z } from "zod";
import { DONE, Time } from "../answers.ts";
import { type Routes, SMALL_BODY_BYTES } from "../services.ts";

/** What cannot be undone any more wants a second factor that was given for this very act. */
const JUST_NOW_SECONDS = 300;

const Id = z.strictObject({ id: TenantIdText });
const Confirm = z.string().describe("The tenant's name, typed by the person.");
const Reason = z.string().trim().min(1).max(REASON_CHARS_MAX).describe("Why; stands in the certificate.");
const act = { tag: "tenants", params: Id, stepUpSeconds: JUST_NOW_SECONDS, bodyBytesMax: SMALL_BODY_BYTES } as const;
const orOperator = { access: { permission: "tenant:manage", orOperator: true } } as const;
const Planned = z.strictObject({ id: TenantIdText, deletion_at: Time });

/** The end of a tenant, by the platform's owners; the local operator may plan one, which can be undone. */
export const deletions: Routes = (services) => [
  route(
    "POST",
    "/v1/tenants/:id/deletion",
    {
      ...act,
      ...orOperator,
      body: z.strictObject({ confirm: Confirm, reason: Reason }),
      output: Planned,
      status: 201,
      problems: ["resource.not_found", "resource.conflict", "access.denied"],
      summary: "Plans the deletion of a tenant. It goes on as before until then, and the plan can be undone.",
    },
    async ({ body: { confirm, reason }, exchange, params: { id } }) => {
      const actor = platformActor(exchange);
      await requireName(services, id, confirm);
      const { deletionMs } = await services().ringwall.tenants.deletions.plan(actor, { tenant: id, reason });
      return new Answer(201, { id, deletion_at: isoTime(deletionMs) });
    },
  ),
  route(
    "DELETE",
    "/v1/tenants/:id/deletion",
    {
      ...act,
      ...orOperator,
      problems: ["resource.not_found", "resource.conflict", "access.denied"],
      summary: "Takes a planned deletion back, as long as it has not begun.",
    },
    async ({ exchange, params }) => {
      await services().ringwall.tenants.deletions.undo(platformActor(exchange), params.id);
      return DONE;
    },
  ),
  route(
    "POST",
    "/v1/tenants/:id/immediate-deletion",
    {
      ...act,
      // For people alone: the local socket has no second factor.
      access: { permission: "tenant:manage" },
      body: z.strictObject({ confirm: Confirm, reason: Reason }),
      output: Planned,
      status: 201,
      problems: ["resource.not_found", "resource.conflict", "access.denied"],
      summary: "Deletes a tenant without the days in which it could be undone.",
    },
    async ({ body: { confirm, reason }, exchange, params: { id } }) => {
      const actor = platformActor(exchange);
      await requireName(services, id, confirm);
      const wanted = { tenant: id, reason, isNow: true };
      const { deletionMs } = await services().ringwall.tenants.deletions.plan(actor, wanted);
      services().wakeDeletions();
      return new Answer(201, { id, deletion_at: isoTime(deletionMs) });
    },
  ),
];

/** Every tenant's owner may manage tenants; the register and what is in it are the platform's. */
function platformActor(exchange: Exchange): Actor {
  if (exchange.operator) return { type: "system", capability: "tenants.delete" };
  const actor = caller(exchange);
  if (actor.tenant !== PLATFORM_TENANT)
    throw new RingwallError("access.denied", { detail: { rule: "tenant.register" } });
  return actor;
}

/** The one thing that tells "the right tenant" from "the row that was next to it". */
async function requireName(services: Parameters<Routes>[0], id: string, confirm: string): Promise<void> {
  const found = await services().ringwall.database.lookup<{ name: string }>("tenant_by_id", [id]);
  if (found === undefined) throw new RingwallError("resource.not_found");
  if (found.name !== confirm) throw new RingwallError("request.invalid", { detail: { fields: "body.confirm" } });
}
