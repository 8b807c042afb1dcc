import { createHmac, generateKeyPairSync } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileHeadStore } from "../adapters/files/index.ts";
import {
  type Actor,
  type AuditEvent,
  type Database,
  parseConfig,
  RingwallError,
  type SqlValue,
  type Statement,
  type TenantId,
  type Transaction,
  tenantId,
} from "../core/index.ts";
import {
  createRecorder,
  createSequencer,
  type DetailSealer,
  HeadVerifier,
  headSigner,
  MonitoringConfig,
  type SequencerOptions,
  verifyAudit,
  workerSource,
} from "../monitoring/audit/index.ts";

import { testDatabase } from "./database.ts";

const TAG_BYTES = 32;

/** Binds a detail to tenant and event and hides nothing: what these tests need of the key layer. */
export const tagSealer: DetailSealer = {
  seal: (tenant, eventId, detail) => Buffer.concat([tag(tenant, eventId, detail), detail]),
  open(tenant, eventId, sealed) {
    const detail = sealed.subarray(TAG_BYTES);
    if (!tag(tenant, eventId, detail).equals(sealed.subarray(0, TAG_BYTES)))
      throw new RingwallError("keys.decrypt_failed");
    return detail;
  },
};

function tag(tenant: TenantId, eventId: string, detail: Buffer): Buffer {
  return createHmac("sha256", `${tenant} ${eventId}`).update(detail).digest();
}

export function newSigner() {
  const { privateKey } = generateKeyPairSync("ed25519");
  return headSigner(privateKey.export({ type: "pkcs8", format: "pem" }).toString());
}

export function auditConfig(settings: Record<string, number> = {}) {
  return parseConfig(MonitoringConfig, { audit: { signMs: 0, ...settings } }).audit;
}

export function serviceOf(tenant: TenantId): Actor {
  return { type: "service", tenant, name: "bank" };
}

export function transfer(tenant: TenantId, amount: number): AuditEvent {
  return {
    action: "transfer.executed",
    outcome: "success",
    tenant,
    actor: serviceOf(tenant),
    targets: [{ type: "account", id: `account-${amount}` }],
    facts: { amount },
    context: { address: "192.0.2.1", requestId: `request-${amount}` },
  };
}

type Around = <T>(work: () => Promise<T>) => Promise<T>;

/** The same database with something around each of its steps: a failure, a lost answer. */
export function interfered(database: Database, around: Around): Database {
  const within = (tx: Transaction): Transaction => ({
    tenant: tx.tenant,
    actor: tx.actor,
    run: <Row extends object>(what: Statement<Row>, values?: readonly SqlValue[]) => around(() => tx.run(what, values)),
    defer: (what, values) => tx.defer(what, values),
    invalidate: (message) => tx.invalidate(message),
  });
  return {
    forTenant: (tenant, actor, work) => around(() => database.forTenant(tenant, actor, (tx) => work(within(tx)))),
    once: (tenant, actor, what, values) => around(() => database.once(tenant, actor, what, values)),
    lookup: (name, values) => database.lookup(name, values),
    close: () => database.close(),
  };
}

/** A migrated database of its own, two tenants, and everything audit consists of around it. */
export async function auditFixture() {
  const db = await testDatabase();
  const folder = await mkdtemp(join(tmpdir(), "ringwall-audit-"));
  const heads = await fileHeadStore(folder);
  const signer = newSigner();
  const verifier = new HeadVerifier([signer.publicKey]);
  const a = await db.createTenant(tenantId("bank-a"));
  const b = await db.createTenant(tenantId("bank-b"));
  // Whatever making the tenants recorded is not what these tests count.
  await db.owner.query("delete from ringwall.audit_outbox");
  const quiet = { every: () => () => undefined };
  const recorder = createRecorder({
    database: db.database,
    seal: tagSealer,
    clock: db.clock,
    config: auditConfig(),
    ...quiet,
  });

  const sequencer = (changes: Partial<SequencerOptions> = {}) =>
    createSequencer({
      database: db.worker,
      signer,
      verifier,
      heads,
      clock: db.clock,
      config: auditConfig(),
      ...changes,
    });

  return {
    ...db,
    a,
    b,
    folder,
    heads,
    signer,
    verifier,
    recorder,
    sequencer,
    source: workerSource(db.worker, { type: "system", capability: "audit.verify" }),
    /** One act of a tenant, recorded in its own transaction. */
    async act(event: AuditEvent, by: Database = db.database): Promise<void> {
      await by.forTenant(event.tenant, serviceOf(event.tenant), async (tx) => await recorder.record(tx, event));
    },
    /** Chains and signs what is in the outbox, as a sequencer of its own that then gives its place up. */
    async chain(): Promise<void> {
      const one = sequencer();
      await one.drain();
      await one.stop();
    },
    verify: () =>
      verifyAudit({
        source: workerSource(db.worker, { type: "system", capability: "audit.verify" }),
        heads,
        verifier,
        seal: tagSealer,
      }),
    /** What the database's owner can do: triggers off, row-level security does not apply. */
    async tamper(...statements: readonly string[]): Promise<void> {
      await db.owner.query(
        `do $tamper$ begin set local session_replication_role = replica; ${statements.join("; ")}; end $tamper$`,
      );
    },
    async count(table: "audit_outbox" | "audit_entry" | "audit_refused" | "audit_head_signed"): Promise<number> {
      const rows = await db.owner.query<{ n: number }>(`select count(*)::int as n from ringwall.${table}`);
      return Number(rows[0]?.n);
    },
    async close(): Promise<void> {
      await db.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

export type AuditFixture = Awaited<ReturnType<typeof auditFixture>>;
