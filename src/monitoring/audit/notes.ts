import {
  type Actor,
  type AuditEvent,
  assert,
  type Clock,
  isoTime,
  RingwallError,
  type TenantId,
  uuidv7,
} from "../../core/index.ts";
import type { AuditConfig } from "./config.ts";
import { buildEntry, type Entry } from "./leaf.ts";

/** After this long without anything made durable, reads of that tenant are refused rather than left unrecorded. */
export const NOT_DURABLE_MAX_MS = 5_000;

/** Rows of one insert: small enough that sealing them holds the event loop for a few milliseconds only. */
export const CHUNK_ENTRIES = 256;

// An attacker chooses ids in paths. An event with longer ones is counted, not kept, so that the cap on entries is also
// one on memory.
const KEY_LENGTH_MAX = 4_096;
const PERSONAL_LENGTH_MAX = 8_192;

const AGGREGATE_FACTS = ["count", "first_at", "last_at"];

interface Noted {
  readonly event: AuditEvent;
  count: number;
  readonly firstMs: number;
  lastMs: number;
}

/** Some noted events of one tenant on their way to the database. `entries` is set once, so that a retry is the same events. */
export interface Chunk {
  readonly tenant: TenantId;
  readonly noted: readonly Noted[];
  entries: readonly Entry[] | undefined;
}

interface TenantNotes {
  current: Map<string, Noted>;
  /** What did not fit, by action and outcome: bounded by the registry of actions. */
  overflow: Map<string, Noted>;
  pending: Chunk[];
  waiting: number;
  /** When the oldest event that is not durable yet was noted; infinite when there is none. */
  oldestMs: number;
}

/**
 * Counts equal events in memory until they are written: one map look-up per event.
 *
 * Equal means same tenant, actor, action, outcome, targets, facts and address. Refusals of anonymous callers are equal
 * by tenant, action and `facts.code` alone: whoever sends them chooses everything else, and must not fill the disk.
 * Per tenant, so that neither the flood nor the trouble of one tenant is another's.
 */
export class NoteBuffer {
  readonly #tenants = new Map<TenantId, TenantNotes>();
  readonly #clock: Clock;
  readonly #config: AuditConfig;
  #waiting = 0;

  constructor(clock: Clock, config: AuditConfig) {
    this.#clock = clock;
    this.#config = config;
  }

  /** @throws RingwallError `audit.unavailable` when nothing of this tenant could be made durable for five seconds. */
  note(event: AuditEvent): void {
    const nowMs = this.#clock();
    let notes = this.#tenants.get(event.tenant);
    if (notes === undefined) {
      notes = { current: new Map(), overflow: new Map(), pending: [], waiting: 0, oldestMs: Number.POSITIVE_INFINITY };
      this.#tenants.set(event.tenant, notes);
    } else if (nowMs - notes.oldestMs > NOT_DURABLE_MAX_MS) {
      throw new RingwallError("audit.unavailable", { retryAfterSeconds: 1 });
    }
    const anonymousRefusal = event.actor.type === "anonymous" && event.outcome !== "success";
    const key = anonymousRefusal ? refusalKey(event) : eventKey(event);
    const known = notes.current.get(key);
    if (known !== undefined) {
      known.count += 1;
      known.lastMs = nowMs;
      return;
    }
    if (nowMs < notes.oldestMs) notes.oldestMs = nowMs;
    if (
      notes.waiting >= this.#config.notesPerTenantMax ||
      this.#waiting >= this.#config.notesMax ||
      key.length > KEY_LENGTH_MAX ||
      personalLength(event) > PERSONAL_LENGTH_MAX
    ) {
      countOverflow(notes, event, nowMs);
      return;
    }
    for (const name of AGGREGATE_FACTS) assert(event.facts?.[name] === undefined, `the fact ${name} is the recorder's`);
    notes.current.set(key, { event: anonymousRefusal ? bare(event) : event, count: 1, firstMs: nowMs, lastMs: nowMs });
    notes.waiting += 1;
    this.#waiting += 1;
  }

  /** Closes the current span: what was noted so far is pending, and equal events from now on are new records. */
  rotate(): void {
    for (const [tenant, notes] of this.#tenants) {
      const noted = [...notes.current.values(), ...notes.overflow.values()];
      if (noted.length === 0) {
        if (notes.pending.length === 0) this.#tenants.delete(tenant);
        continue;
      }
      // Overflow records were not counted as waiting when they came: there are few, but they wait like the others.
      notes.waiting += notes.overflow.size;
      this.#waiting += notes.overflow.size;
      for (let at = 0; at < noted.length; at += CHUNK_ENTRIES) {
        notes.pending.push({ tenant, noted: noted.slice(at, at + CHUNK_ENTRIES), entries: undefined });
      }
      notes.current = new Map();
      notes.overflow = new Map();
    }
  }

  /** The tenants that have something pending. */
  pendingTenants(): TenantId[] {
    return [...this.#tenants].filter(([, notes]) => notes.pending.length > 0).map(([tenant]) => tenant);
  }

  /** The oldest pending chunk of a tenant, with its entries built. */
  first(tenant: TenantId): (Chunk & { readonly entries: readonly Entry[] }) | undefined {
    const chunk = this.#tenants.get(tenant)?.pending[0];
    if (chunk === undefined) return undefined;
    chunk.entries ??= chunk.noted.map(toEntry);
    return { ...chunk, entries: chunk.entries };
  }

  /** The oldest pending chunk of a tenant is durable. */
  done(tenant: TenantId): void {
    const notes = this.#tenants.get(tenant);
    const chunk = notes?.pending.shift();
    assert(notes !== undefined && chunk !== undefined, "only a pending chunk can be done");
    notes.waiting -= chunk.noted.length;
    this.#waiting -= chunk.noted.length;
    notes.oldestMs = oldest(notes);
  }

  /** Different events that are not durable yet. */
  get waiting(): number {
    return this.#waiting;
  }
}

function oldest(notes: TenantNotes): number {
  const pending = notes.pending[0]?.noted[0]?.firstMs;
  if (pending !== undefined) return pending;
  for (const noted of notes.current.values()) return noted.firstMs;
  for (const noted of notes.overflow.values()) return noted.firstMs;
  return Number.POSITIVE_INFINITY;
}

function toEntry(noted: Noted): Entry {
  const { event, count, firstMs, lastMs } = noted;
  const aggregate = { count, firstAt: isoTime(firstMs), lastAt: isoTime(lastMs) };
  return buildEntry(event, uuidv7(firstMs), aggregate.firstAt, aggregate);
}

/** Names the parts with their lengths, so that no two different events give one key. */
function part(value: string): string {
  return `${value.length}:${value}`;
}

function eventKey(event: AuditEvent): string {
  let key = `${event.action} ${event.outcome} ${actorKey(event.actor)}`;
  if (event.targets !== undefined) for (const { type, id } of event.targets) key += part(type) + part(id);
  key += "/";
  const facts = event.facts;
  if (facts !== undefined) {
    for (const name of Object.keys(facts)) {
      const value = facts[name];
      if (typeof value === "string") key += `${part(name)}s${part(value)}`;
      else {
        assert(typeof value !== "number" || Number.isFinite(value), "a fact is a finite number");
        key += `${part(name)}${String(value)},`;
      }
    }
  }
  const address = event.context?.address;
  return address === undefined ? key : `${key}@${address}`;
}

function actorKey(actor: Actor): string {
  switch (actor.type) {
    case "user":
      return part(actor.session) + part(actor.user);
    case "service":
      return `s${part(actor.name)}`;
    case "system":
      return `y${part(actor.capability)}`;
    case "anonymous":
      return "a";
  }
}

function refusalKey(event: AuditEvent): string {
  const code = event.facts?.["code"];
  return code === undefined ? `${event.action} ${event.outcome}` : `${event.action} ${event.outcome} ${String(code)}`;
}

/** What is kept of an anonymous refusal: nothing that its sender chose. */
function bare(event: AuditEvent): AuditEvent {
  const { action, outcome, tenant, actor } = event;
  const code = event.facts?.["code"];
  return code === undefined ? { action, outcome, tenant, actor } : { action, outcome, tenant, actor, facts: { code } };
}

function personalLength(event: AuditEvent): number {
  const { context, personal } = event;
  let length = 0;
  if (context !== undefined) {
    length += (context.address?.length ?? 0) + (context.userAgent?.length ?? 0) + (context.requestId?.length ?? 0);
  }
  if (personal !== undefined)
    for (const name of Object.keys(personal)) length += name.length + (personal[name]?.length ?? 0);
  return length;
}

function countOverflow(notes: TenantNotes, event: AuditEvent, nowMs: number): void {
  const key = `${event.action} ${event.outcome}`;
  const known = notes.overflow.get(key);
  if (known !== undefined) {
    known.count += 1;
    known.lastMs = nowMs;
    return;
  }
  const { tenant, action, outcome } = event;
  const overflow: AuditEvent = {
    action: "audit.overflowed",
    outcome: "error",
    tenant,
    actor: { type: "service", tenant, name: "ringwall.audit" },
    facts: { action, outcome },
  };
  notes.overflow.set(key, { event: overflow, count: 1, firstMs: nowMs, lastMs: nowMs });
}
