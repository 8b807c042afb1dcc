import {
  type Actor,
  assert,
  type Database,
  PLATFORM_TENANT,
  type SqlValue,
  type Statement,
  statement,
  type TenantId,
} from "../../core/index.ts";
import type { Head } from "./heads.ts";

/** One entry as the database has it. */
export interface StoredEntry {
  readonly position: number;
  readonly eventId: string;
  readonly occurredMs: number;
  readonly action: string;
  readonly leaf: string;
  readonly hash: Buffer;
  readonly detail: Buffer | null;
}

/** A signed head as the database has it: a line that is believed only after it was parsed and verified. */
export interface StoredSignedHead {
  readonly size: number;
  readonly line: string;
}

export interface StoredHead extends Head {
  readonly signed: string | undefined;
}

/** Where a verifier reads a log. Any order of calls; nothing is written. */
export interface AuditSource {
  /** Every tenant that has a head. */
  heads(): AsyncIterable<StoredHead>;
  head(tenant: TenantId): Promise<StoredHead | undefined>;
  /** Entries with a position above `after`, in order. */
  entries(tenant: TenantId, after: number): AsyncIterable<StoredEntry>;
  /** Signed heads with a size above `after`, in order. */
  signed(tenant: TenantId, after: number): AsyncIterable<StoredSignedHead>;
}

interface HeadRow {
  readonly tenant_id: TenantId;
  readonly size: string;
  readonly hash: Buffer;
  readonly signed: string | null;
}

interface EntryRow {
  readonly pos: string;
  readonly event_id: string;
  readonly occurred_ms: string;
  readonly action: string;
  readonly leaf: string;
  readonly hash: Buffer;
  readonly detail: Buffer | null;
}

interface SignedRow {
  readonly size: string;
  readonly signed: string;
}

// An entry may have 128 KiB, so a page stays below 32 MiB even when someone fills them all.
const PAGE_ROWS = 256;

const WORKER_HEADS = statement<HeadRow>("audit.heads", "select * from ringwall.audit_heads($1, $2::integer)");
const WORKER_HEAD = statement<HeadRow>("audit.head_of", "select * from ringwall.audit_head_of($1)");
const WORKER_ENTRIES = statement<EntryRow>(
  "audit.read",
  "select * from ringwall.audit_read($1, $2::bigint, $3::integer)",
);
const WORKER_SIGNED = statement<SignedRow>(
  "audit.signed",
  "select * from ringwall.audit_signed($1, $2::bigint, $3::integer)",
);

/** Every tenant's log, read through the worker's narrow functions. */
export function workerSource(database: Database, actor: Actor): AuditSource {
  const read = <Row extends object>(what: Statement<Row>, values: readonly SqlValue[]): Promise<readonly Row[]> =>
    database.once(PLATFORM_TENANT, actor, what, values);
  return {
    async *heads() {
      for (let after = ""; ; ) {
        const rows = await read(WORKER_HEADS, [after, PAGE_ROWS]);
        for (const row of rows) yield toHead(row);
        after = rows.at(-1)?.tenant_id ?? "";
        if (rows.length < PAGE_ROWS) return;
      }
    },
    async head(tenant) {
      const [row] = await read(WORKER_HEAD, [tenant]);
      return row === undefined ? undefined : toHead(row);
    },
    entries: (tenant, after) => paged(after, toEntry, (from) => read(WORKER_ENTRIES, [tenant, from, PAGE_ROWS])),
    signed: (tenant, after) => paged(after, toSigned, (from) => read(WORKER_SIGNED, [tenant, from, PAGE_ROWS])),
  };
}

const TENANT_HEAD = statement<HeadRow>(
  "audit.tenant_head",
  `select h.tenant_id, h.size::text, h.hash,
          (select s.signed from ringwall.audit_head_signed s
            where s.tenant_id = h.tenant_id order by s.size desc limit 1) as signed
     from ringwall.audit_head h where h.tenant_id = $1`,
);
const TENANT_ENTRIES = statement<EntryRow>(
  "audit.tenant_entries",
  `select position::text as pos, event_id::text, (extract(epoch from occurred_at) * 1000)::bigint::text as occurred_ms,
          action, leaf, hash, detail
     from ringwall.audit_entry where tenant_id = $1 and position > $2::bigint order by position limit $3::integer`,
);
const TENANT_SIGNED = statement<SignedRow>(
  "audit.tenant_signed",
  `select size::text, signed from ringwall.audit_head_signed
    where tenant_id = $1 and size > $2::bigint order by audit_head_signed.size limit $3::integer`,
);

/** One tenant's log, read under its own wall. Another tenant's is empty here. */
export function tenantSource(database: Database, owner: TenantId, actor: Actor): AuditSource {
  const read = <Row extends object>(what: Statement<Row>, values: readonly SqlValue[]): Promise<readonly Row[]> =>
    database.once(owner, actor, what, values);
  const head: AuditSource["head"] = async (tenant) => {
    const [row] = await read(TENANT_HEAD, [tenant]);
    return row === undefined ? undefined : toHead(row);
  };
  return {
    head,
    async *heads() {
      const own = await head(owner);
      if (own !== undefined) yield own;
    },
    entries: (tenant, after) => paged(after, toEntry, (from) => read(TENANT_ENTRIES, [tenant, from, PAGE_ROWS])),
    signed: (tenant, after) => paged(after, toSigned, (from) => read(TENANT_SIGNED, [tenant, from, PAGE_ROWS])),
  };
}

async function* paged<Row, Item extends { readonly size: number } | { readonly position: number }>(
  after: number,
  convert: (row: Row) => Item,
  read: (from: number) => Promise<readonly Row[]>,
): AsyncIterable<Item> {
  for (let from = after; ; ) {
    const rows = await read(from);
    for (const row of rows) {
      const item = convert(row);
      const at = "size" in item ? item.size : item.position;
      assert(at > from, "a page is in order");
      from = at;
      yield item;
    }
    if (rows.length < PAGE_ROWS) return;
  }
}

function toHead(row: HeadRow): StoredHead {
  return { tenant: row.tenant_id, size: Number(row.size), hash: row.hash, signed: row.signed ?? undefined };
}

function toEntry(row: EntryRow): StoredEntry {
  const { event_id: eventId, action, leaf, hash, detail } = row;
  return { position: Number(row.pos), eventId, occurredMs: Number(row.occurred_ms), action, leaf, hash, detail };
}

function toSigned(row: SignedRow): StoredSignedHead {
  return { size: Number(row.size), line: row.signed };
}
