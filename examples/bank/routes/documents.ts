import { Answer, type RouteDefinition, route } from "ringwall/adapters/fastify";
import { type Principal, requirePermission } from "ringwall/application/access";
import { Text, Title, Uuid } from "ringwall/application/input";
import { RingwallError, uuidv7 } from "ringwall/core";
import { caller, originOf } from "ringwall/pipeline";
import { z } from "zod";
import { type Bank, resourceOf } from "../bank.ts";
import { CREATE_DOCUMENT, DELETE_DOCUMENT, LIST_DOCUMENTS, READ_DOCUMENT } from "../schema.ts";

const PAGE = 50;
const Id = z.strictObject({ id: Uuid });
const read = { access: { permission: "resource:read" } } as const;

/** Documents of the bank: everybody in it may read them, their author or staff deletes them. */
export function documents(bank: Bank): readonly RouteDefinition[] {
  const { clock, database, ringwall } = bank;
  return [
    route(
      "GET",
      "/api/documents",
      { ...read, query: z.strictObject({ after: Uuid.optional() }), summary: "Lists the bank's documents." },
      async ({ exchange, query }) => {
        const actor = caller(exchange);
        const rows = await database.once(actor.tenant, actor, LIST_DOCUMENTS, [query.after ?? null, PAGE]);
        return { items: rows.map(({ document_id: id, owner_id: owner, title }) => ({ id, owner, title })) };
      },
    ),
    route(
      "GET",
      "/api/documents/:id",
      { ...read, params: Id, summary: "Shows a document." },
      async ({ exchange, params }) => {
        const actor = caller(exchange);
        const { tenant } = actor;
        const [row] = await database.once(tenant, actor, READ_DOCUMENT, [params.id]);
        if (row === undefined) throw new RingwallError("resource.not_found");
        requirePermission(actor, "resource:read", resourceOf(row));
        const targets = [{ type: "document", id: row.document_id }];
        ringwall.recorder.note({ action: "document.read", outcome: "success", tenant, actor, targets });
        return { id: row.document_id, owner: row.owner_id, title: row.title, body: row.body };
      },
    ),
    route(
      "POST",
      "/api/documents",
      {
        access: { permission: "resource:write" },
        body: z.strictObject({ title: Title, body: Text }),
        summary: "Writes a document.",
      },
      async ({ body, exchange }) => {
        const actor = caller(exchange);
        const { tenant } = actor;
        const id = uuidv7(clock());
        const targets = [{ type: "document", id }];
        const context = originOf(exchange);
        await database.forTenant(tenant, actor, async (tx) => {
          await tx.run(CREATE_DOCUMENT, [id, actor.user, body.title, body.body]);
          const event = { action: "document.created", outcome: "success" } as const;
          await ringwall.recorder.record(tx, { ...event, tenant, actor, targets, context });
        });
        return new Answer(201, { id });
      },
    ),
    route(
      "DELETE",
      "/api/documents/:id",
      { access: { permission: "resource:delete" }, params: Id, summary: "Deletes a document." },
      async ({ exchange, params }) => {
        await deleteDocument(bank, caller(exchange), params.id, originOf(exchange));
        return new Answer(204, undefined);
      },
    ),
  ];
}

async function deleteDocument(
  { database, ringwall }: Bank,
  actor: Principal,
  id: string,
  context: ReturnType<typeof originOf>,
): Promise<void> {
  const { tenant } = actor;
  await database.forTenant(tenant, actor, async (tx) => {
    const [row] = await tx.run(READ_DOCUMENT, [id]);
    if (row === undefined) throw new RingwallError("resource.not_found");
    requirePermission(actor, "resource:delete", resourceOf(row));
    const deleted = await tx.run(DELETE_DOCUMENT, [id, row.owner_id]);
    if (deleted.length !== 1) throw new RingwallError("resource.not_found");
    const event = { action: "document.deleted", outcome: "success" } as const;
    await ringwall.recorder.record(tx, { ...event, tenant, actor, targets: [{ type: "document", id }], context });
  });
}
