import { RingwallError, type TenantId } from "../../core/index.ts";
import { formatHead, type HeadVerifier, parseHead } from "./heads.ts";
import type { DetailSealer, HeadStore } from "./ports.ts";
import type { AuditSource, StoredHead } from "./source.ts";
import {
  type ChainPoint,
  type ChainReport,
  ErasedDetails,
  type FoundHead,
  type Problem,
  type ProblemKind,
  verifyChain,
} from "./verify.ts";

/** What is verified, and against which copies and keys. */
export interface VerifyOptions {
  readonly source: AuditSource;
  /** Copies outside the database. Without them a database whose owner also removed every signed head looks empty. */
  readonly heads?: HeadStore;
  readonly verifier: HeadVerifier;
  /** One tenant only; all of them when absent. */
  readonly tenant?: TenantId;
  /** Opens details and holds them against their commitments. */
  readonly seal?: DetailSealer;
  /**
   * For a log that is being written: how often, and after which pause, to look again for the signature of a tail that had
   * none yet. Without it an unsigned tail is a problem at once.
   */
  readonly settle?: { readonly attempts: number; pause(): Promise<void> };
}

/** The verdict on one tenant's chain. */
export interface TenantReport {
  readonly tenant: TenantId;
  /** Entries found whole, from #1 on. */
  readonly verified: number;
  readonly signed: number;
  readonly copied: number;
  /** Details that are gone because a person or the tenant was erased. */
  readonly erased: number;
  readonly problem: Problem | undefined;
}

/** The verdict on the whole log. */
export interface AuditReport {
  readonly ok: boolean;
  readonly tenants: readonly TenantReport[];
}

/**
 * Verifies the logs of all tenants, or of one, against signatures and outside copies, and says for each up to where it
 * is whole or what is wrong first.
 *
 * A tenant is looked for in the database and among the copies, so removing all its rows is found as a truncation.
 */
export async function verifyAudit(options: VerifyOptions): Promise<AuditReport> {
  const tenants: TenantReport[] = [];
  for (const tenant of await tenantsOf(options)) {
    const report = await verifyTenant(options, tenant);
    tenants.push({
      tenant,
      verified: report.verified,
      signed: report.signed.size,
      copied: report.copied,
      erased: report.erased,
      problem: report.problem,
    });
  }
  return { ok: tenants.every(({ problem }) => problem === undefined), tenants };
}

async function tenantsOf({ source, heads, tenant }: VerifyOptions): Promise<TenantId[]> {
  if (tenant !== undefined) return [tenant];
  const tenants = new Set<TenantId>();
  for await (const head of source.heads()) tenants.add(head.tenant);
  if (heads !== undefined) for await (const copied of heads.tenants()) tenants.add(copied);
  return [...tenants].sort();
}

/** What may be otherwise in a moment: a tail is signed, and an erasure chained, shortly after they are committed. */
const SETTLES: ReadonlySet<ProblemKind | undefined> = new Set(["unsigned_tail", "detail_wiped"] as const);

async function verifyTenant(options: VerifyOptions, tenant: TenantId): Promise<ChainReport> {
  try {
    const details = new ErasedDetails();
    let report = await verifyOnce(options, tenant, { details });
    const wanted = report.end.size;
    for (let attempt = 0; attempt < (options.settle?.attempts ?? 0); attempt += 1) {
      if (!SETTLES.has(report.problem?.kind)) return report;
      await options.settle?.pause();
      report = await verifyOnce(options, tenant, { details, from: report.signed, copied: report.copied });
      // While acts go on there is always a tail; what was there at first must be signed by now.
      if (report.problem?.kind === "unsigned_tail" && report.signed.size >= wanted)
        return { ...report, problem: undefined };
    }
    return report;
  } catch (error) {
    if (!(error instanceof RingwallError) || error.code !== "audit.unavailable") throw error;
    const reason = typeof error.detail["reason"] === "string" ? error.detail["reason"] : "a head copy cannot be read";
    const none = { size: 0, hash: Buffer.alloc(0) };
    const problem: Problem = { kind: "copy_damaged", position: 0, message: reason };
    return { verified: 0, signed: none, copied: 0, end: none, erased: 0, problem };
  }
}

async function verifyOnce(
  { source, heads, verifier, seal }: VerifyOptions,
  tenant: TenantId,
  before: { readonly details: ErasedDetails; readonly from?: ChainPoint; readonly copied?: number },
): Promise<ChainReport> {
  const { copied: copiedBefore = 0, details, from } = before;
  const after = from?.size ?? 0;
  // Claims first, then the head: what was signed before must be there now, while the log may have grown meanwhile.
  const copy = await heads?.last(tenant);
  const stored = await source.head(tenant);
  const claims = [copy === undefined ? undefined : formatHead(copy), stored?.signed];
  const head: StoredHead | undefined = await source.head(tenant);
  const report = await verifyChain({
    tenant,
    head,
    claimed: Math.max(0, ...claims.map((line) => genuineSize(line, tenant, verifier))),
    entries: source.entries(tenant, after),
    inside: source.signed(tenant, after),
    outside: copies(heads, tenant),
    verifier,
    details,
    ...(from === undefined ? {} : { from }),
    ...(seal === undefined ? {} : { open: (eventId, sealed) => seal.open(tenant, eventId, sealed) }),
  });
  return { ...report, copied: Math.max(report.copied, copiedBefore) };
}

/** A head nobody signed claims nothing; the walk reports it as forged where it meets it. */
function genuineSize(line: string | undefined, tenant: TenantId, verifier: HeadVerifier): number {
  const head = line === undefined ? undefined : parseHead(line);
  return head !== undefined && head.tenant === tenant && verifier.accepts(head) ? head.size : 0;
}

async function* copies(heads: HeadStore | undefined, tenant: TenantId): AsyncIterable<FoundHead> {
  if (heads === undefined) return;
  for await (const head of heads.read(tenant)) yield { size: head.size, line: formatHead(head) };
}
