/**
 * Code of `docs/guides/embedding.md`, as it stands there; `embedding.test.ts` compares and runs it.
 *
 * @module
 */
import { statement } from "ringwall/core";
import { sealed, sealedTable } from "ringwall/data/fields";

export const TICKET = sealedTable("tracker.ticket", { row: "ticket_id" }, sealed("contact_sealed"));
export const NOTE = sealedTable("tracker.note", { row: "note_id" }, sealed("text").padded(64));

interface TicketRow {
  readonly tenant_id: string;
  readonly ticket_id: string;
  readonly owner_id: string | null;
  readonly title: string;
  readonly contact_sealed: Buffer;
  readonly row_key: Buffer;
}

export const LIST_TICKETS = statement<Pick<TicketRow, "ticket_id" | "title">>(
  "tracker.list_tickets",
  "select ticket_id, title from tracker.ticket order by created_at limit $1",
);

export const READ_TICKET = statement<TicketRow>(
  "tracker.read_ticket",
  `select t.tenant_id, t.ticket_id, u.ringwall_user as owner_id, t.title, t.contact_sealed, t.row_key
   from tracker.ticket t join tracker.app_user u on u.tenant_id = t.tenant_id and u.user_id = t.author
   where t.ticket_id = $1`,
);

export const WRITE_TICKET = statement(
  "tracker.write_ticket",
  `insert into tracker.ticket (ticket_id, author, title, contact_sealed, row_key) values ($1, $2, $3, $4, $5)`,
);

export const DELETE_TICKET = statement<{ ticket_id: string }>(
  "tracker.delete_ticket",
  "delete from tracker.ticket where ticket_id = $1 returning ticket_id",
);

export const WRITE_NOTE = statement(
  "tracker.write_note",
  "insert into tracker.note (note_id, ticket_id, text, row_key) values ($1, $2, $3, $4)",
);

export const READ_NOTES = statement<{ note_id: string; text: Buffer; row_key: Buffer }>(
  "tracker.read_notes",
  "select note_id, text, row_key from tracker.note where ticket_id = $1 order by note_id limit $2",
);

export const FIND_PERSON = statement<{ user_id: string }>(
  "tracker.find_person",
  "select user_id from tracker.app_user where ringwall_user = $1",
);

export const LINK_PERSON = statement<{ user_id: string }>(
  "tracker.link_person",
  `update tracker.app_user set ringwall_user = $1
   where lower(email) = $2 and ringwall_user is null returning user_id`,
);
