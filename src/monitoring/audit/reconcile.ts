import type { TenantId } from "../../core/index.ts";
import { auditStopped } from "./batch.ts";
import { chainOn, emptyChain, formatHead, type Head, type HeadVerifier, parseHead, type SignedHead } from "./heads.ts";
import type { HeadStore } from "./ports.ts";
import type { AuditSource, StoredHead } from "./source.ts";

/** What a sequencer may go on from. */
export interface Reconciled {
  readonly known: Map<TenantId, Head>;
  /** Tenants with entries that no signature covers: a crash came between chaining and signing. */
  readonly unsigned: Set<TenantId>;
  /** Heads signed in the database and not copied outside yet. */
  readonly outgoing: SignedHead[];
}

/**
 * Holds the database against what was signed and against the copies outside, before anything is signed on top of it.
 *
 * Recomputes the entries after the last signature, so that a signature only ever covers a chain that continues the one
 * signed before. What lies below is the verifier's work. One pass over all tenants with a few reads each; the heads of
 * all tenants are kept in memory, about 200 bytes each.
 *
 * @throws RingwallError `audit.unavailable` when the database is behind a copy (a restored backup, removed rows), or
 * differs from one (rewritten, or two databases grew from one).
 */
export async function reconcile(parts: {
  source: AuditSource;
  heads: HeadStore;
  verifier: HeadVerifier;
  /** Called before each tenant, since all of them together may take longer than a lease. Throws to give up. */
  keep: () => Promise<void>;
}): Promise<Reconciled> {
  const { source, heads, verifier, keep } = parts;
  const result: Reconciled = { known: new Map(), unsigned: new Set(), outgoing: [] };
  for await (const stored of source.heads()) {
    await keep();
    const { tenant, size, hash } = stored;
    const copy = await heads.last(tenant);
    if (copy !== undefined) requireGenuine(copy, tenant, verifier, "a head copy is not genuine");
    const signed = readSigned(stored, copy, verifier);
    for (const anchor of [copy, signed]) if (anchor !== undefined) await requireContinued(source, stored, anchor);
    const newest = (signed?.size ?? 0) >= (copy?.size ?? 0) ? signed : copy;
    await requireChained(source, stored, newest);
    result.known.set(tenant, { tenant, size, hash });
    if ((newest?.size ?? 0) < size) result.unsigned.add(tenant);
    if (signed !== undefined && signed.size > (copy?.size ?? 0)) result.outgoing.push(signed);
  }
  for await (const tenant of heads.tenants()) {
    if (result.known.has(tenant) || (await heads.last(tenant)) === undefined) continue;
    throw auditStopped("the database has no entries of a tenant that has head copies", tenant);
  }
  return result;
}

function readSigned(stored: StoredHead, copy: SignedHead | undefined, verifier: HeadVerifier): SignedHead | undefined {
  if (stored.signed === undefined) return undefined;
  // The usual case after a clean stop, and a signature less to check for each tenant.
  if (copy !== undefined && formatHead(copy) === stored.signed) return copy;
  const signed = parseHead(stored.signed);
  requireGenuine(signed, stored.tenant, verifier, "the last signed head in the database is not genuine");
  return signed;
}

function requireGenuine(
  head: SignedHead | undefined,
  tenant: TenantId,
  verifier: HeadVerifier,
  reason: string,
): asserts head is SignedHead {
  if (head === undefined || head.tenant !== tenant || !verifier.accepts(head)) throw auditStopped(reason, tenant);
}

async function requireContinued(source: AuditSource, stored: StoredHead, anchor: SignedHead): Promise<void> {
  const { tenant, size, hash } = stored;
  if (anchor.size > size) throw auditStopped("the database is behind a signed head", tenant);
  const there = anchor.size === size ? hash : await hashAt(source, tenant, anchor.size);
  if (there === undefined || !there.equals(anchor.hash))
    throw auditStopped("the database differs from a signed head", tenant);
}

async function hashAt(source: AuditSource, tenant: TenantId, position: number): Promise<Buffer | undefined> {
  for await (const entry of source.entries(tenant, position - 1)) {
    return entry.position === position ? entry.hash : undefined;
  }
  return undefined;
}

async function requireChained(source: AuditSource, stored: StoredHead, from: SignedHead | undefined): Promise<void> {
  const { tenant } = stored;
  let { size, hash }: { size: number; hash: Buffer } = from ?? { size: 0, hash: emptyChain(tenant) };
  if (size < stored.size) {
    for await (const entry of source.entries(tenant, size)) {
      if (entry.position !== size + 1) throw auditStopped("an entry that was never signed is missing", tenant);
      hash = chainOn(hash, entry.leaf);
      size = entry.position;
    }
  }
  if (size !== stored.size || !hash.equals(stored.hash)) {
    throw auditStopped("the entries that were never signed do not lead to the head", tenant);
  }
}
