import type { KeyObject } from "node:crypto";
import {
  type Actor,
  type AuditAction,
  actorName,
  actorTenant,
  type Clock,
  type Database,
  isoTime,
  type Logger,
  PLATFORM_TENANT,
  type Recorder,
  RingwallError,
  type SystemActor,
  type TenantId,
  type Transaction,
  uuidv7,
} from "../../core/index.ts";
import { type ErasureCertificate, type ErasureOrder, type ErasureSigner, readStatement } from "./certificate.ts";
import {
  AUDIT_VERSION,
  CERTIFY,
  ERASE_ACCOUNT_OF,
  ERASE_DETAILS_OF,
  ERASE_ROW,
  ERASE_ROWS_OF,
  FIND,
  INSERT,
  LIST,
  LIST_ALL,
  PLACES,
  SHRED,
} from "./statements.ts";

/** Where orders and certificates are kept outside the database, so that its backups do not decide what was erased. */
export interface ErasureLedger {
  /** Resolves when the line is on the disk. */
  append(line: string): Promise<void>;
  /** Every line, oldest first. */
  read(): AsyncIterable<string>;
}

/** What erasing stands on. */
export interface ErasureParts {
  /** As `ringwall_worker`. */
  readonly worker: Database;
  readonly recorder: Recorder;
  readonly ledger: ErasureLedger;
  readonly signer: ErasureSigner;
  /** Keys that signed earlier lines of the ledger; the signer's own is always trusted. */
  readonly trusted?: readonly KeyObject[];
  readonly clock: Clock;
  readonly log: Logger;
}

/** What is to be erased, and who wants it why. */
export interface ErasureRequest {
  readonly actor: Actor;
  /** Who wanted it, where that is not who carries it out: `user:...`, as an actor's name is written. */
  readonly approver?: string;
  readonly tenant: TenantId;
  readonly reason: string;
  readonly what:
    | { readonly subject: "tenant" }
    | { readonly subject: "row"; readonly place: string; readonly row: string }
    | { readonly subject: "person"; readonly user: string };
}

/** An order, and its certificate once it was carried out. */
export interface Erasure {
  readonly order: ErasureOrder;
  /** The signed text; anybody with the public key can check it. */
  readonly certificate: string | undefined;
}

/** What a replay found and did. */
export interface Replay {
  readonly orders: number;
  /** Orders that this database had not carried out, or of which a restored backup had brought something back. */
  readonly replayed: number;
  /** Lines that nobody we trust has signed. They are left alone and said. */
  readonly refused: number;
  /** Orders that only the database knew, now in this ledger too. */
  readonly copied: number;
}

/** Makes data unreadable for good. */
export interface Erasures {
  /**
   * Signs the order and puts it into the ledger first, so that a crash or a restore afterwards changes nothing; then
   * erases in one transaction with its record, tells every node, and signs what was done.
   *
   * @throws RingwallError `resource.not_found` for a table that was not registered or a row that is not there.
   */
  erase(request: ErasureRequest): Promise<{ readonly id: string; readonly certificate: string }>;
  /** The newest 200 of a tenant. */
  list(tenant: TenantId, actor: Actor): Promise<readonly Erasure[]>;
  /** Carries out again what the ledger says, after a restore and at each start. */
  replay(): Promise<Replay>;
}

const ERASER: SystemActor = { type: "system", capability: "keys.erase" };
const FIRST_ID = "00000000-0000-0000-0000-000000000000";
const ACTIONS = { tenant: "tenant.erased", row: "row.erased", person: "person.erased" } as const satisfies Record<
  string,
  AuditAction
>;

/** Erasures over a worker's connections and a ledger. */
export function createErasures(parts: ErasureParts): Erasures {
  return new LedgeredErasures(parts);
}

class LedgeredErasures implements Erasures {
  readonly #parts: ErasureParts;
  readonly #trusted: readonly KeyObject[];

  constructor(parts: ErasureParts) {
    this.#parts = parts;
    this.#trusted = [parts.signer.publicKey, ...(parts.trusted ?? [])];
  }

  async erase({ actor, approver, reason, tenant, what }: ErasureRequest): Promise<{ id: string; certificate: string }> {
    const { ledger, log, recorder, worker } = this.#parts;
    if (tenant === PLATFORM_TENANT && what.subject === "tenant") throw new RingwallError("access.denied");
    await refuseUnknown(worker, tenant, what);
    const line = await this.#newOrder({ actor, approver: approver ?? actorName(actor), reason, tenant, what });
    await ledger.append(line);
    const order = this.#orderOf(line);
    if (order === undefined) throw new RingwallError("internal", { detail: { what: "an order that was just signed" } });
    const certificate = await this.#carryOut(order, line);
    await ledger.append(certificate);
    log.warn({ tenant, subject: what.subject, erasure: order.id }, "erased");
    recorder.note({
      action: ACTIONS[what.subject],
      outcome: "success",
      tenant: actorTenant(actor) ?? PLATFORM_TENANT,
      actor,
      targets: [{ type: "tenant", id: tenant }],
      facts: { erasure: order.id },
    });
    return { id: order.id, certificate };
  }

  async list(tenant: TenantId, actor: Actor): Promise<readonly Erasure[]> {
    const acting = actorTenant(actor) === tenant ? actor : ERASER;
    const rows = await this.#parts.worker.once(tenant, acting, LIST);
    return rows.flatMap(({ certificate, ordered }) => {
      const order = this.#orderOf(ordered);
      return order === undefined ? [] : [{ order, certificate: certificate ?? undefined }];
    });
  }

  async replay(): Promise<Replay> {
    const { ledger, log } = this.#parts;
    const counts = { orders: 0, replayed: 0, refused: 0, copied: 0 };
    const known = new Set<string>();
    for await (const line of ledger.read()) {
      const statement = readStatement(line, this.#trusted);
      if (statement === undefined) {
        counts.refused += 1;
        log.error({}, "a line of the erasure ledger is not signed by a key we trust, and was not followed");
      } else if (statement.schema === "ringwall.erasure.order.1") {
        counts.orders += 1;
        known.add(statement.id);
        if (await this.#carryOutAgain(statement, line)) counts.replayed += 1;
      }
    }
    counts.copied = await this.#copyUnknown(known);
    if (counts.replayed > 0) log.warn(counts, "erasures that this database had not carried out were carried out");
    return counts;
  }

  #orderOf(line: string): ErasureOrder | undefined {
    const statement = readStatement(line, this.#trusted);
    return statement?.schema === "ringwall.erasure.order.1" ? statement : undefined;
  }

  /** Idempotent: erasing what is erased changes nothing. @throws NothingToDo when there was nothing to erase. */
  async #carryOut(order: ErasureOrder, line: string): Promise<string> {
    const { clock, recorder, signer, worker } = this.#parts;
    const { approver, id, subject, tenant } = order;
    return await worker.forTenant(tenant, ERASER, async (tx) => {
      const isNew = (await tx.run(FIND, [id])).length === 0;
      // Recorded before the keys go, since the record's details are sealed with one of them.
      await recorder.record(tx, {
        action: ACTIONS[subject],
        outcome: "success",
        tenant,
        actor: ERASER,
        targets: [{ type: subject, id: order.name === "" ? tenant : order.name }],
        facts: { erasure: id, approver },
      });
      const done = await destroy(tx, order, line);
      if (!isNew && done.destroyed.length + done.rows + done.details + (done.accounts ?? 0) === 0)
        throw new NothingToDo();
      const certificate = signer.certificate({ ...fieldsOf(order), erased_at: isoTime(clock()), ...done });
      await tx.run(CERTIFY, [id, certificate]);
      tellNodes(tx, order);
      return certificate;
    });
  }

  async #carryOutAgain(order: ErasureOrder, line: string): Promise<boolean> {
    try {
      await this.#parts.ledger.append(await this.#carryOut(order, line));
      return true;
    } catch (error) {
      if (error instanceof NothingToDo) return false;
      throw error;
    }
  }

  async #newOrder({ approver, reason, tenant, what }: ErasureRequest & { readonly approver: string }): Promise<string> {
    const { clock, signer, worker } = this.#parts;
    const [audit] = await worker.once(tenant, ERASER, AUDIT_VERSION);
    return signer.order({
      id: uuidv7(clock()),
      subject: what.subject,
      tenant,
      place: what.subject === "row" ? what.place : "",
      name: what.subject === "row" ? what.row : what.subject === "person" ? what.user : "",
      reason,
      approver,
      ordered_at: isoTime(clock()),
      audit_version: audit?.version ?? 0,
    });
  }

  /** What another node ordered, or what a lost ledger held: the database's own copies are signed as well. */
  async #copyUnknown(known: ReadonlySet<string>): Promise<number> {
    const { ledger, worker } = this.#parts;
    let copied = 0;
    let after = ["", FIRST_ID];
    for (;;) {
      const rows = await worker.once(PLATFORM_TENANT, ERASER, LIST_ALL, after);
      for (const { certificate, erasure_id, ordered } of rows) {
        if (known.has(erasure_id) || this.#orderOf(ordered) === undefined) continue;
        await ledger.append(ordered);
        if (certificate !== null) await ledger.append(certificate);
        copied += 1;
      }
      const last = rows.at(-1);
      if (last === undefined) return copied;
      after = [last.tenant_id, last.erasure_id];
    }
  }
}

/** Rolls the transaction of a replay back that found everything done. */
class NothingToDo extends Error {
  override readonly name = "NothingToDo";
}

type Done = Pick<ErasureCertificate, "destroyed" | "rows" | "details" | "accounts">;

async function destroy(tx: Transaction, order: ErasureOrder, line: string): Promise<Done> {
  const { audit_version: auditVersion, id, name, place, subject } = order;
  if (subject === "tenant") {
    const shredded = await tx.run(SHRED, [id, line, auditVersion]);
    const destroyed = shredded
      .map(({ commitment, purpose, version }) => ({ purpose, version, commitment: commitment.toString("hex") }))
      .sort((left, right) => left.purpose.localeCompare(right.purpose) || left.version - right.version);
    return { destroyed, rows: 0, details: 0 };
  }
  await tx.run(INSERT, [id, subject, line]);
  if (subject === "row") {
    const [row] = await tx.run(ERASE_ROW, [place, name]);
    return { destroyed: [], rows: Number(row?.changed ?? 0), details: 0 };
  }
  let rows = 0;
  for (const table of await tx.run(PLACES)) {
    if (table.person_column === null) continue;
    const [erased] = await tx.run(ERASE_ROWS_OF, [table.place, name]);
    rows += Number(erased?.changed ?? 0);
  }
  const [details] = await tx.run(ERASE_DETAILS_OF, [name]);
  // Last: what names the person in clear goes when everything that is found by it is gone.
  const [account] = await tx.run(ERASE_ACCOUNT_OF, [name]);
  return { destroyed: [], rows, details: Number(details?.changed ?? 0), accounts: Number(account?.changed ?? 0) };
}

/** Every node forgets every key and secret: what was unwrapped a moment ago is gone with what wrapped it. */
function tellNodes(tx: Transaction, { name, subject, tenant }: ErasureOrder): void {
  tx.invalidate({ kind: "epoch", tenant, id: "erasure" });
  if (subject === "tenant") tx.invalidate({ kind: "tenant", tenant, id: tenant });
  if (subject === "person") tx.invalidate({ kind: "user", tenant, id: name });
}

function fieldsOf(order: ErasureOrder) {
  const { schema: _schema, key: _key, ...fields } = order;
  return fields;
}

async function refuseUnknown(worker: Database, tenant: TenantId, what: ErasureRequest["what"]): Promise<void> {
  if (what.subject !== "row") return;
  const places = await worker.once(tenant, ERASER, PLACES);
  if (!places.some(({ place }) => place === what.place)) {
    throw new RingwallError("resource.not_found", { detail: { place: what.place } });
  }
}
