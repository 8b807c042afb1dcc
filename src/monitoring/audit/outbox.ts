import { type SqlValue, statement, type TenantId } from "../../core/index.ts";
import type { Entry } from "./leaf.ts";
import type { DetailSealer } from "./ports.ts";

/** A row as it goes into the outbox. */
export interface OutboxRow {
  readonly eventId: string;
  readonly time: string;
  readonly leaf: string;
  readonly sealed: Buffer | null;
}

// No tenant among the values: the column's default is ringwall.tenant(), so a row cannot name another one.
export const INSERT_ONE = statement(
  "audit.outbox_insert",
  "insert into ringwall.audit_outbox (event_id, occurred_at, leaf, detail) values ($1::uuid, $2::timestamptz, $3, $4)",
);

// A batch is tried again when its commit is in doubt: rows of the same event are then there already. Without a conflict
// target, since naming one would need the right to read.
export const INSERT_MANY = statement(
  "audit.outbox_insert_many",
  `insert into ringwall.audit_outbox (event_id, occurred_at, leaf, detail)
   select event_id, occurred_at, leaf, decode(nullif(detail, ''), 'base64')
     from unnest($1::uuid[], $2::timestamptz[], $3::text[], $4::text[]) as row (event_id, occurred_at, leaf, detail)
   on conflict do nothing`,
);

/** Seals the detail of an entry. Synchronous when nothing is to be sealed or the key is warm. */
export function sealEntry(seal: DetailSealer, tenant: TenantId, entry: Entry): OutboxRow | Promise<OutboxRow> {
  const { eventId, time, leaf, detail } = entry;
  if (detail === undefined) return { eventId, time, leaf, sealed: null };
  const sealed = seal.seal(tenant, eventId, detail);
  if (sealed instanceof Promise) return sealed.then((bytes) => ({ eventId, time, leaf, sealed: bytes }));
  return { eventId, time, leaf, sealed };
}

export function oneRow(row: OutboxRow): SqlValue[] {
  return [row.eventId, row.time, row.leaf, row.sealed];
}

export function manyRows(rows: readonly OutboxRow[]): SqlValue[] {
  return [
    rows.map((row) => row.eventId),
    rows.map((row) => row.time),
    rows.map((row) => row.leaf),
    rows.map((row) => row.sealed?.toString("base64") ?? ""),
  ];
}
