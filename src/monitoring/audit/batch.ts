import { assert, RingwallError, type SqlValue, type TenantId } from "../../core/index.ts";
import type { Head } from "./heads.ts";
import { chainOn, emptyChain } from "./heads.ts";
import { type Leaf, parseLeaf } from "./leaf.ts";

/** A row of the outbox as the sequencer takes it, with the head its tenant has in the database. */
export interface TakenRow {
  readonly tenant_id: TenantId;
  readonly event_id: string;
  readonly occurred_ms: string;
  readonly leaf: string;
  readonly head_size: string;
  readonly head_hash: Buffer | null;
  /** Whether an entry has this event id already, with the same leaf or another one. */
  readonly known: "no" | "same" | "other";
}

/** What is to become of the rows of one batch. Columns, since that is how they travel. */
export interface Batch {
  readonly append: { tenants: string[]; events: string[]; positions: string[]; hashes: string[]; actions: string[] };
  readonly refuse: { tenants: string[]; events: string[]; reasons: string[] };
  /** The heads after the batch, of the tenants that grew. */
  readonly heads: Map<TenantId, Head>;
}

/**
 * Chains rows onto the heads this process knows. Pure: nothing is remembered until the batch has committed.
 *
 * @param known - Heads as this process last saw them committed. A tenant that is not in it has no entries.
 * @throws RingwallError `audit.unavailable` when the database has another head than the one known: somebody else wrote.
 */
export function planBatch(rows: readonly TakenRow[], known: ReadonlyMap<TenantId, Head>): Batch {
  const append: Batch["append"] = { tenants: [], events: [], positions: [], hashes: [], actions: [] };
  const refuse: Batch["refuse"] = { tenants: [], events: [], reasons: [] };
  const heads = new Map<TenantId, Head>();
  // By time; within a millisecond as they lie in the table, which is mostly the order they were written in.
  const ordered = [...rows].sort((a, b) => Number(a.occurred_ms) - Number(b.occurred_ms));
  for (const row of ordered) {
    const tenant = row.tenant_id;
    const leaf = readLeaf(row);
    if (typeof leaf === "string") {
      refuse.tenants.push(tenant);
      refuse.events.push(row.event_id);
      refuse.reasons.push(leaf);
      continue;
    }
    const head = heads.get(tenant) ?? currentHead(row, known.get(tenant));
    const next = { tenant, size: head.size + 1, hash: chainOn(head.hash, row.leaf) };
    heads.set(tenant, next);
    append.tenants.push(tenant);
    append.events.push(row.event_id);
    append.positions.push(String(next.size));
    append.hashes.push(next.hash.toString("hex"));
    append.actions.push(leaf.action);
  }
  return { append, refuse, heads };
}

function currentHead(row: TakenRow, known: Head | undefined): Head {
  const tenant = row.tenant_id;
  const head = known ?? { tenant, size: 0, hash: emptyChain(tenant) };
  const same = Number(row.head_size) === head.size && (head.size === 0 || row.head_hash?.equals(head.hash) === true);
  if (!same) throw auditStopped("the database has another head than the one last written", tenant);
  return head;
}

/** The leaf, or why the row can never be part of the chain: whoever may insert into the outbox may insert anything. */
function readLeaf(row: TakenRow): Leaf | string {
  if (row.known === "same") return "repeated";
  if (row.known === "other") return "event id used twice";
  const leaf = parseLeaf(row.leaf);
  if (leaf === undefined) return "malformed";
  const sameTime = Date.parse(leaf.time) === Number(row.occurred_ms);
  return leaf.tenant === row.tenant_id && leaf.event === row.event_id && sameTime ? leaf : "leaf of another row";
}

export function appendValues(epoch: bigint, { append }: Batch): SqlValue[] {
  assert(append.tenants.length === append.hashes.length, "columns of a batch are of one length");
  return [epoch, append.tenants, append.events, append.positions, append.hashes, append.actions];
}

export function refuseValues(epoch: bigint, { refuse }: Batch): SqlValue[] {
  return [epoch, refuse.tenants, refuse.events, refuse.reasons];
}

/** The one error that ends sequencing: what is in the database does not continue what was signed. A person must look. */
export function auditStopped(reason: string, tenant: TenantId): RingwallError {
  return new RingwallError("audit.unavailable", { detail: { reason, tenant } });
}
