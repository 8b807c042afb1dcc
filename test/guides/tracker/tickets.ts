/**
 * Code of `docs/guides/embedding.md`, as it stands there; `embedding.test.ts` compares and runs it.
 *
 * @module
 */
import { Answer, type RouteDefinition, route } from "ringwall/adapters/fastify";
import { requirePermission } from "ringwall/application/access";
import { Text, Title, Uuid } from "ringwall/application/input";
import { RingwallError, type TenantId, type UserId, uuidv7 } from "ringwall/core";
import { caller, originOf } from "ringwall/pipeline";
import { z } from "zod";
import type { Tracker } from "./parts.ts";
import { ownUser } from "./people.ts";
import {
  DELETE_TICKET,
  LIST_TICKETS,
  NOTE,
  READ_NOTES,
  READ_TICKET,
  TICKET,
  WRITE_NOTE,
  WRITE_TICKET,
} from "./tables.ts";

const PAGE = 100;
const Id = z.strictObject({ id: Uuid });

export function tickets(tracker: Tracker): readonly RouteDefinition[] {
  const { clock, database, ringwall } = tracker;
  const ticketFields = ringwall.fields.table(TICKET);
  return [
    route(
      "GET",
      "/tickets",
      { access: { permission: "resource:read" }, summary: "Lists the company's tickets." },
      async ({ exchange }) => {
        const actor = caller(exchange);
        const rows = await database.once(actor.tenant, actor, LIST_TICKETS, [PAGE]);
        return rows.map(({ ticket_id: id, title }) => ({ id, title }));
      },
    ),
    route(
      "GET",
      "/tickets/:id",
      { access: { permission: "resource:read" }, params: Id, summary: "Shows a ticket." },
      async ({ exchange, params }) => {
        const actor = caller(exchange);
        const { tenant } = actor;
        const [row] = await database.once(tenant, actor, READ_TICKET, [params.id]);
        if (row === undefined) throw new RingwallError("resource.not_found");
        const resource = {
          tenant: row.tenant_id as TenantId,
          owner: (row.owner_id ?? undefined) as UserId | undefined,
        };
        requirePermission(actor, "resource:read", resource);
        const { contact_sealed: contact } = await ticketFields.open(tenant, row);
        const targets = [{ type: "ticket", id: row.ticket_id }];
        ringwall.recorder.note({ action: "app.ticket_read", outcome: "success", tenant, actor, targets });
        return { id: row.ticket_id, title: row.title, contact };
      },
    ),
    route(
      "POST",
      "/tickets",
      {
        access: { permission: "resource:write" },
        body: z.strictObject({ title: Title, contact: z.string().min(1).max(200) }),
        summary: "Writes a ticket.",
      },
      async ({ body, exchange }) => {
        const actor = caller(exchange);
        const { tenant } = actor;
        const author = await ownUser(tracker, actor);
        const id = uuidv7(clock());
        const sealed = await ticketFields.seal(tenant, id, { contact_sealed: body.contact });
        const event = { action: "app.ticket_written", outcome: "success", tenant, actor } as const;
        await database.forTenant(tenant, actor, async (tx) => {
          await tx.run(WRITE_TICKET, [id, author, body.title, sealed.contact_sealed, sealed.row_key]);
          const targets = [{ type: "ticket", id }];
          await ringwall.recorder.record(tx, { ...event, targets, context: originOf(exchange) });
        });
        return new Answer(201, { id });
      },
    ),
    route(
      "DELETE",
      "/tickets/:id",
      { access: { permission: "resource:delete" }, params: Id, summary: "Deletes a ticket." },
      async ({ exchange, params }) => {
        const actor = caller(exchange);
        const { tenant } = actor;
        const event = { action: "app.ticket_deleted", outcome: "success", tenant, actor } as const;
        await database.forTenant(tenant, actor, async (tx) => {
          const deleted = await tx.run(DELETE_TICKET, [params.id]);
          if (deleted.length === 0) throw new RingwallError("resource.not_found");
          const targets = [{ type: "ticket", id: params.id }];
          await ringwall.recorder.record(tx, { ...event, targets, context: originOf(exchange) });
        });
        return new Answer(204, undefined);
      },
    ),
    ...notes(tracker),
  ];
}

function notes({ clock, database, ringwall }: Tracker): readonly RouteDefinition[] {
  const noteFields = ringwall.fields.table(NOTE);
  return [
    route(
      "GET",
      "/tickets/:id/notes",
      { access: { permission: "admin:access" }, params: Id, summary: "Shows what staff noted." },
      async ({ exchange, params }) => {
        const actor = caller(exchange);
        const rows = await database.once(actor.tenant, actor, READ_NOTES, [params.id, PAGE]);
        return (await noteFields.openMany(actor.tenant, rows)).map(({ text }) => text);
      },
    ),
    route(
      "POST",
      "/tickets/:id/notes",
      {
        access: { permission: "admin:access" },
        params: Id,
        body: z.strictObject({ text: Text }),
        bodyBytesMax: 8_192,
        summary: "Notes something about a ticket.",
      },
      async ({ body, exchange, params }) => {
        const actor = caller(exchange);
        const { tenant } = actor;
        const id = uuidv7(clock());
        const { row_key, text } = await noteFields.seal(tenant, id, { text: body.text });
        const event = { action: "app.note_written", outcome: "success", tenant, actor } as const;
        await database.forTenant(tenant, actor, async (tx) => {
          const [ticket] = await tx.run(READ_TICKET, [params.id]);
          if (ticket === undefined) throw new RingwallError("resource.not_found");
          await tx.run(WRITE_NOTE, [id, params.id, text, row_key]);
          await ringwall.recorder.record(tx, { ...event, targets: [{ type: "note", id }] });
        });
        return new Answer(201, { id });
      },
    ),
  ];
}
