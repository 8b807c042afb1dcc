import { type Actor, type Database, type Recorder, RingwallError, statement, type TenantId } from "../../core/index.ts";
import { openDetail, type PersonalDetail, parseLeaf } from "./leaf.ts";
import type { DetailSealer } from "./ports.ts";

/** Records of one page: about 100 KiB of usual ones. */
export const READ_LIMIT_MAX = 200;

/** One record as a reader gets it. */
export interface AuditRecord {
  readonly position: number;
  readonly event: string;
  readonly time: string;
  readonly action: string;
  readonly outcome: string;
  readonly actor: Readonly<Record<string, string>>;
  readonly targets: readonly { readonly type: string; readonly id: string }[];
  readonly facts: Readonly<Record<string, string | number | boolean>>;
  readonly requestId: string | undefined;
  /** Undefined when not asked for or none was recorded; `unreadable` when it does not open or is not what was committed to. */
  readonly detail: PersonalDetail | "unreadable" | undefined;
}

/** Which records, how many, and whether their sealed details are opened. */
export interface ReadOptions {
  readonly limit: number;
  /** Records before this position; the newest when absent. */
  readonly before?: number;
  readonly action?: string;
  /** Opens addresses, user agents and other personal values. The caller has checked the right to them. */
  readonly details: boolean;
}

interface Row {
  readonly pos: string;
  readonly event_id: string;
  readonly leaf: string;
  readonly detail: Buffer | null;
}

const READ = statement<Row>(
  "audit.page",
  `select position::text as pos, event_id::text, leaf, detail from ringwall.audit_entry
    where tenant_id = $1 and position < $2::bigint order by position desc limit $3::integer`,
);
const READ_ACTION = statement<Row>(
  "audit.page_of_action",
  `select position::text as pos, event_id::text, leaf, detail from ringwall.audit_entry
    where tenant_id = $1 and action = $4 and position < $2::bigint order by position desc limit $3::integer`,
);

/** A stretch of a tenant's chain as it is stored, for whoever recomputes it. */
export interface ChainStretch {
  /** The hash of the entry before the stretch, in hex; undefined at the beginning of the chain, or when there is none. */
  readonly previousHash: string | undefined;
  readonly links: readonly { readonly position: number; readonly leaf: string; readonly hash: string }[];
  /** The newest signed head, as it was signed; undefined before the first. */
  readonly signedHead: string | undefined;
}

interface LinkRow {
  readonly pos: string;
  readonly leaf: string;
  readonly hash: string;
}

const SIGNED = statement<{ signed: string }>(
  "audit.newest_signed",
  "select signed from ringwall.audit_head_signed where tenant_id = $1 order by size desc limit 1",
);
// From the entry before on, so that its hash comes with the same statement.
const LINKS = statement<LinkRow>(
  "audit.links",
  `select position::text as pos, leaf, encode(hash, 'hex') as hash from ringwall.audit_entry
    where tenant_id = $1 and position >= $2::bigint order by position limit $3::integer`,
);

/** Reads a tenant's own records, and records that it did. */
export interface AuditReader {
  /**
   * Reads a tenant's own log, newest first. The reading is itself recorded, in the same transaction.
   * @throws RingwallError `request.invalid` for a limit, position or action that cannot be.
   */
  read(tenant: TenantId, actor: Actor, options: ReadOptions): Promise<readonly AuditRecord[]>;
  /**
   * Reads the chain itself, oldest first, from the entry after `after` on: leaves as they were hashed, and the newest
   * signed head. Nothing sealed is in it. The reading is recorded too.
   * @throws RingwallError `request.invalid` for a limit or position that cannot be.
   */
  chain(tenant: TenantId, actor: Actor, range: { after: number; limit: number }): Promise<ChainStretch>;
  /** The newest signed head of the tenant, as it was signed. Says how far the log goes and nothing of what is in it. */
  signedHead(tenant: TenantId, actor: Actor): Promise<string | undefined>;
}

/** A reader under the tenant's own wall. @throws RingwallError `audit.unavailable` when the reading cannot be recorded. */
export function createAuditReader(parts: {
  database: Database;
  seal: DetailSealer;
  recorder: Pick<Recorder, "record">;
}): AuditReader {
  const { database, seal, recorder } = parts;

  async function toRecord(tenant: TenantId, row: Row, details: boolean): Promise<AuditRecord> {
    const leaf = parseLeaf(row.leaf);
    // The sequencer chains nothing that does not parse, so this row was changed since.
    if (leaf === undefined)
      throw new RingwallError("audit.unavailable", { detail: { reason: "a leaf is not readable" } });
    const { event, time, action, outcome, actor, targets, facts, request: requestId, commitment } = leaf;
    const detail = details && commitment !== undefined ? await openSealed(seal, tenant, row, commitment) : undefined;
    return { position: Number(row.pos), event, time, action, outcome, actor, targets, facts, requestId, detail };
  }

  return {
    async read(tenant, actor, { limit, before = Number.MAX_SAFE_INTEGER, action, details }) {
      if (!Number.isSafeInteger(limit) || limit < 1 || limit > READ_LIMIT_MAX) throw invalid("limit");
      if (!Number.isSafeInteger(before) || before < 1) throw invalid("before");
      if (action !== undefined && !/^[a-z_]{1,40}\.[a-z_]{1,40}$/.test(action)) throw invalid("action");
      const rows = await database.forTenant(tenant, actor, async (tx) => {
        const found =
          action === undefined
            ? await tx.run(READ, [tenant, before, limit])
            : await tx.run(READ_ACTION, [tenant, before, limit, action]);
        const facts = { count: found.length, details, ...(action === undefined ? {} : { action }) };
        await recorder.record(tx, { action: "audit.read", outcome: "success", tenant, actor, facts });
        return found;
      });
      const records: AuditRecord[] = [];
      for (const row of rows) records.push(await toRecord(tenant, row, details));
      return records;
    },
    async signedHead(tenant, actor) {
      const [newest] = await database.once(tenant, actor, SIGNED, [tenant]);
      return newest?.signed;
    },
    async chain(tenant, actor, { after, limit }) {
      if (!Number.isSafeInteger(limit) || limit < 1 || limit > READ_LIMIT_MAX) throw invalid("limit");
      if (!Number.isSafeInteger(after) || after < 0) throw invalid("after");
      return await database.forTenant(tenant, actor, async (tx) => {
        // The head first: whatever it speaks of is among the entries that are read after it.
        const [newest] = await tx.run(SIGNED, [tenant]);
        const rows = await tx.run(LINKS, [tenant, after, after === 0 ? limit : limit + 1]);
        const found = rows.map(({ pos, leaf, hash }) => ({ position: Number(pos), leaf, hash }));
        const previous = found[0]?.position === after ? found.shift() : undefined;
        const facts = { after, count: found.length };
        await recorder.record(tx, { action: "audit.chain_read", outcome: "success", tenant, actor, facts });
        return { previousHash: previous?.hash, links: found, signedHead: newest?.signed };
      });
    },
  };
}

async function openSealed(
  seal: DetailSealer,
  tenant: TenantId,
  row: Row,
  commitment: string,
): Promise<PersonalDetail | "unreadable"> {
  if (row.detail === null) return "unreadable";
  try {
    return openDetail(await seal.open(tenant, row.event_id, row.detail), commitment) ?? "unreadable";
  } catch (error) {
    // An erased person or a changed detail: the rest of the record still stands. A key service that is down is an error.
    if (error instanceof RingwallError && error.code === "keys.decrypt_failed") return "unreadable";
    throw error;
  }
}

function invalid(field: string): RingwallError {
  return new RingwallError("request.invalid", { detail: { field } });
}
